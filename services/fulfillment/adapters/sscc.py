"""Serial Shipping Container Codes: the numbers GS1 defines for parcels and pallets."""

_DIGITS = 18


def check_digit(digits: str) -> int:
    """The digit that makes `digits` and it a GS1 number.

    GS1 General Specifications, 7.9.1: from the right, weights 3, 1, 3, ...; the sum and the check digit
    together are a multiple of ten.
    """
    weighted = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return -weighted % 10


def sscc(prefix: str, serial: int) -> str:
    """The SSCC of a serial number: extension digit, GS1 company prefix, serial reference, check digit.

    The extension digit has no meaning and is used as the serial's highest digit. Raises ValueError when
    the numbers of this prefix are used up.
    """
    places = _DIGITS - 2 - len(prefix)
    extension, reference = divmod(serial, 10**places)
    if not 0 <= extension <= 9:
        raise ValueError(f"GS1 prefix {prefix} has no number left for serial {serial}: get another prefix")
    digits = f"{extension}{prefix}{reference:0{places}d}"
    return f"{digits}{check_digit(digits)}"


def is_sscc(number: str) -> bool:
    """Whether this is an SSCC with the right check digit."""
    plain = len(number) == _DIGITS and number.isascii() and number.isdigit()
    return plain and check_digit(number[:-1]) == int(number[-1])
