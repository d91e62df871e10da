"""Which keys a recording tells of and which it says are held, without those of a redacted time."""


class Keyboard:
    """Follows the keys in the order of time.

    Args:
        held: codes of the keys that are down at the start.
        redacted: whether the start is to be redacted.

    Attributes:
        held: codes of the keys that are down, without those that were pressed while redacted.
    """

    def __init__(self, held: list[int], redacted: bool) -> None:
        self.held: set[int] = set() if redacted else set(held)
        self._hidden: set[int] = set(held) if redacted else set()

    def take(self, code: int, down: bool, redacted: bool) -> bool:
        """Takes an event into account; returns whether it may be told.

        A key that was pressed while redacted stays untold until it is pressed again, so that its release does not
        tell it either. The release of a key that was told as pressed is told at any time.
        """
        if not down:
            told = code in self.held or (code not in self._hidden and not redacted)
            self.held.discard(code)
            self._hidden.discard(code)
            return told
        # A key that repeats while it is held is the same press.
        hidden = code not in self.held and (redacted or code in self._hidden)
        (self._hidden if hidden else self.held).add(code)
        return not hidden and not redacted
