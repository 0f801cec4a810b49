"""The studio: one renderer for all visitors, warmed up while the server starts.

FaceWish -> DrawnFace, one at a time, because the renderer keeps decoded textures.
"""

from contextlib import suppress
from functools import cache, lru_cache
from threading import Event, Lock, Thread

from ..errors import EmoError
from ..synthetic import DrawnFace, FaceRenderer, FaceSpec
from ..synthetic.wishes import FaceWish

SIZE = 224  # pixels; nobody can ask for more


class Studio:
    """Draws one face at a time, and keeps the last few, because what was drawn is read next."""

    def __init__(self) -> None:
        self.ready = Event()  # the renderer is compiled: nobody has to wait for it
        self._lock = Lock()
        self._renderer = cache(FaceRenderer)
        self._draw = lru_cache(maxsize=16)(lambda wish: self._renderer().draw(wish.spec, size=SIZE))

    def draw(self, wish: FaceWish) -> DrawnFace:
        """The face. The first one of a machine takes ten seconds, because the renderer is compiled.

        Raises:
            EmoError: a gender or race that cannot be drawn, or the assets are missing.
        """
        with self._lock:
            face = self._draw(wish)
        self.ready.set()
        return face

    def draw_spec(self, spec: FaceSpec) -> DrawnFace:
        """As `draw`, for a face that was not wished for piece by piece; it is not kept."""
        with self._lock:
            return self._renderer().draw(spec, size=SIZE)

    def warm_up(self) -> None:
        """Draws the first face in the background. What goes wrong there is told to whoever draws next."""

        def first() -> None:
            with suppress(EmoError):
                self.draw(FaceWish())

        if not self.ready.is_set():
            Thread(target=first, daemon=True, name="warm up the renderer").start()


@cache
def studio() -> Studio:
    """The one of this process."""
    return Studio()
