"""Minor units to amounts.

ISO 4217 says how many decimals a currency's minor unit has. CLDR, which number formatting libraries
follow, says how many are *shown* in daily life; the two differ for a dozen currencies (RSD and LBP among
them), so CLDR must not be used to read minor units: amounts would be off by a hundred.
"""

from decimal import Decimal

_EXPONENTS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV",
         "XAF", "XOF", "XPF"), 0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}  # fmt: skip


def exponent(currency: str) -> int:
    """Decimals of the currency's minor unit: 2 for EUR, 0 for JPY, 3 for KWD (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)


def amount(minor: int, currency: str) -> Decimal:
    """Minor units as an amount with exactly the currency's decimals: 1050, "EUR" -> 10.50."""
    return Decimal(minor).scaleb(-exponent(currency))
