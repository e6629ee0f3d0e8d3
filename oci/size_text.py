"""Sizes as messages tell them."""

_UNITS = ((1 << 40, "t"), (1 << 30, "g"), (1 << 20, "m"), (1 << 10, "k"))


def size_text(size_bytes: int) -> str:
    """`2g`, `1.5m`, `900`: in powers of 1024, as the flags take it."""
    for unit, letter in _UNITS:
        if size_bytes >= unit:
            return f"{size_bytes / unit:.1f}".removesuffix(".0") + letter
    return str(size_bytes)
