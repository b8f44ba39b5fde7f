"""What returned units are worth."""


def worth(value: int, quantity: int, before: int, count: int) -> int:
    """The value in minor units of `count` units of an allocation of `quantity` units that is worth `value`.

    `before` units of it came back earlier. The first n units are worth floor(value * n / quantity), and
    what comes back now is the difference: each unit is worth the share rounded down or up (the largest
    remainder method for equal shares), any sequence of partial returns adds up to exactly `value` once all
    units are back, and no sequence is ever above its share.
    """
    return value * (before + count) // quantity - value * before // quantity
