"""Sentences in the manner of a language model -> the action units that they claim and deny, and the first emotion.

The table was written by hand before the reader ran on it; two rows made the reader better, no row was changed.
"""

import pytest

from emo_toolkit.synthetic.claims import read_claims, read_labels

SENTENCES = [
    (
        "The person in the image appears to be happy. Her mouth is open in a wide smile, showing her teeth, "
        "and her cheeks are raised, causing wrinkles at the corners of her eyes.",
        "AU25 AU12 AU6",
        "",
        "happiness",
    ),
    (
        "The facial expression of the person is anger. The eyebrows are furrowed and pulled together, the "
        "eyes are narrowed and the lips are pressed tightly.",
        "AU4 AU7 AU24",
        "",
        "anger",
    ),
    (
        "He looks surprised: his eyebrows are raised high, his eyes are wide open, and his jaw has dropped, "
        "leaving the mouth open.",
        "AU1 AU2 AU5 AU26 AU25",
        "",
        "surprise",
    ),
    (
        "There are no visible signs of anger or disgust; the brows aren't furrowed and the nose is not wrinkled.",
        "",
        "AU4 AU9",
        "",
    ),
    (
        "The expression is neutral, with relaxed brows, a closed mouth and no smile.",
        "",
        "AU1 AU2 AU4 AU25 AU26 AU27 AU12",
        "neutral",
    ),
    ("Although the lip corners are turned slightly downward, the brows show no tension.", "AU15", "AU4", ""),
    (
        "The upper lip is curled up and the nose scrunched, which suggests disgust rather than anger.",
        "AU10 AU9",
        "",
        "disgust",
    ),
    ("His mouth is set in a thin line, lips pressed together, and his brows are drawn down.", "AU24 AU4", "", ""),
    ("The expression is not happy but sad, since the mouth corners droop.", "AU15", "", "sadness"),
    (
        "Eyes widened (AU5), inner brow raised (AU1), lips stretched (AU20); no lid tightening (AU7).",
        "AU5 AU1 AU20",
        "AU7",
        "",
    ),
    ("A slight upward curve of the left mouth corner hints at contempt.", "L12", "", "contempt"),
    ("The woman is not smiling and her eyes aren't wide.", "", "AU12 AU5", ""),
    ("The brow is raised on the right side only.", "R1 R2", "", ""),
    ("There's a hint of a smile, but her eyes do not crinkle.", "AU12", "AU6", ""),
    ("The lips are neither pressed nor parted.", "", "AU24 AU25", ""),
    ("The muscles around the eyes are not engaged; only the mouth smiles.", "AU12", "", ""),
    ("I can't see any raised eyebrows, wide eyes, or dropped jaw.", "", "AU1 AU2 AU5 AU26 AU27", ""),
    ("The face shows AU1 (C), AU4 (B) and AU15 (D).", "AU1 AU4 AU15", "", ""),
    ("The lower lip is pulled down and the chin is not raised.", "AU16", "AU17", ""),
    ("Inner brow raiser: strong. Lip corner depressor: marked. Jaw drop: none.", "AU1 AU15", "AU26", ""),
    (
        "The emotion is most likely fear, because both the inner and outer brows are raised and pulled "
        "together while the lips are stretched horizontally.",
        "AU1 AU2 AU4 AU20",
        "",
        "fear",
    ),
    ("The cheeks puff out and the nostrils are flared.", "AU34 AU38", "", ""),
    ("Her eyelids droop and she looks down.", "AU43", "", ""),
    ("His gaze is directed to the left, and his brows are knitted.", "AU4", "", ""),
    ("The mouth forms a downward arc.", "AU15", "", ""),
    ("The corners of his lips curl upwards.", "AU12", "", ""),
    ("The smile reaches the eyes, as crow's feet are visible.", "AU12 AU6", "", ""),
    ("No wrinkling of the nose, no lowering of the brows, only parted lips.", "AU25", "AU9 AU4", ""),
    ("The jaw isn't clenched, and the lips are apart.", "AU25", "", ""),
    ("The brows lower and come together.", "AU4", "", ""),
]


@pytest.mark.parametrize(("text", "present", "absent", "label"), SENTENCES, ids=[row[0][:60] for row in SENTENCES])
def test_sentences_as_a_model_writes_them(text, present, absent, label):
    claims = read_claims(text)
    assert {claim.codes[0] for claim in claims if claim.present} == set(present.split())
    assert {code for claim in claims if not claim.present for code in claim.codes} == set(absent.split())
    assert list(read_labels(text))[:1] == label.split()
