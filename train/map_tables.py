"""MapAudit -> tables in Markdown for a model card, and one HTML page with a forest plot that needs no network."""

from emo_toolkit.plots.faithfulness import faithfulness_forest
from emo_toolkit.plots.pages import Section, html_page, paragraphs, text_table
from emo_toolkit.schema import MapAudit

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]  # head, rows

TERMS = {
    "Map": "where a picture mattered, by what is followed (word: from the answer through the frame's tokens to the "
    "face; global, local: Face Info Mining's two branches; clues: what their queries gather) and by method: raw "
    "attention, its sharpest heads, rollout, attention times gradient, relative to a neutral question, without sinks.",
    "Area": "patches of the face are hidden, and shown, most salient first. The area between both curves of the "
    "answer's log-odds is large when the answer comes from where the map is; an order turned round has its negative.",
    "Over chance": "the area less that of the same view's map moved elsewhere on the same picture: mirrored, turned, "
    "shifted over the edges. It is as smooth or as speckled, only its place knows nothing.",
    "Over centre": "the area less that of hiding the patches nearest to the centre first. A map that is no better "
    "says only that faces stand in the middle.",
    "AUC": "the chance that a region of the face which moves, by the action units that were drawn, has a higher value "
    "in the map than one that does not. 0.5 is chance.",
    "Over others": "AUC less that of the maps of other faces on this face's truth. These know which regions move most "
    "often and where maps are high in general; above 0, the map knows this face.",
    "Over the mean map": "AUC less that of the mean of the other faces' maps, which is steadier than a single one.",
    "Shuffled weights": "rank correlation with the map of the same model whose trained weights stand in random "
    "places. Near 1, the map is about the layout and not about what the model learned.",
    "95 % interval": "where the middle 95 % lie when pictures are drawn again, with replacement, 2,000 times. It "
    "holds for one map; among twenty maps, one that knows nothing passes zero by chance. * leaves out zero.",
}


def lines_of(title: str, audit: MapAudit) -> list[str]:
    """Markdown, with how many pictures, what chance is, and 95 % intervals."""
    lines = [f"**{title}**: {said(audit)}", ""]
    for head, rows in tables(audit):
        lines += ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
        lines.append("")
    return lines


def page(title: str, audit: MapAudit) -> str:
    """The whole page."""
    faithful, *others = (text_table(*table) for table in tables(audit))
    sections = [
        Section("Do maps point at what the answer comes from?", faithfulness_forest(audit.maps), below=faithful),
        *(Section("Do maps point at what moves in the face?", below=table) for table in others),
    ]
    return html_page(f"Can the maps be trusted? {title}", paragraphs([said(audit)]), sections, terms=TERMS)


def said(audit: MapAudit) -> str:
    """What was measured, in two sentences."""
    failed = f" ({audit.failed} more had no usable face or could not be read)" if audit.failed else ""
    faces = f"; {next(iter(audit.regions.values())).n} of them have regions that move" if audit.regions else ""
    whole = _span(audit.whole, audit.whole_interval)
    centre, chance = _span(audit.centre, audit.centre_interval), _span(audit.chance, audit.chance_interval)
    return (
        f"{audit.n} pictures{failed}{faces}. In log-odds, hiding the whole face takes {whole}; the area of a centre "
        f"guess is {centre}, of maps moved elsewhere {chance}."
    )


def tables(audit: MapAudit) -> list[Table]:
    """Faithfulness, and agreement with drawn faces if there are any."""
    head: tuple[str, ...] = ("map", "over chance", "over centre")
    shuffled = bool(audit.alike)
    rows = []
    for name, score in audit.maps.items():
        row = (
            name,
            _marked(score.over_chance, score.over_chance_interval),
            _marked(score.over_centre, score.over_centre_interval),
        )
        alike = audit.alike.get(name)
        rows.append((*row, _span(alike.mean, alike.interval)) if alike else row)
    count = next(iter(audit.alike.values())).n if shuffled else 0
    found: list[Table] = [((*head, f"shuffled weights ({count} pictures)") if shuffled else head, rows)]
    if audit.regions:
        found.append(_regions(audit))
    return found


def _regions(audit: MapAudit) -> Table:
    head = ("map", "AUC", "other faces' maps", "over others", "mean map", "over the mean map")
    return head, [
        (
            name,
            _span(score.auc, score.auc_interval),
            f"{score.shuffled:.2f}",
            _marked(score.over_shuffled, score.over_shuffled_interval),
            f"{score.mean_map:.2f}",
            _marked(score.over_mean_map, score.over_mean_map_interval),
        )
        for name, score in audit.regions.items()
    ]


def _span(value: float, bounds: tuple[float, float]) -> str:
    return f"{value:.2f} [{bounds[0]:.2f}, {bounds[1]:.2f}]"


def _marked(value: float, bounds: tuple[float, float]) -> str:
    mark = " *" if bounds[0] > 0 or bounds[1] < 0 else ""
    return f"{value:+.2f} [{bounds[0]:+.2f}, {bounds[1]:+.2f}]{mark}"
