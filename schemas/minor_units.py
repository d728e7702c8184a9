"""Amounts of money in the smallest unit of their currency, as whole numbers."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints

#: ISO 4217, list one (SIX, 2024): the digits after the point, where they are not two.
_DIGITS: Final = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV"), 0
    ),
    **dict.fromkeys(("XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
#: From the same list: the codes of metals, funds and tests, which have no smallest unit.
_NONE: Final = frozenset(
    ("XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS", "XUA", "XXX"),
)


def _divisible(currency: str) -> str:
    if currency in _NONE:
        raise ValueError("a currency that has no smallest unit")
    return currency


#: The share of a smallest unit up to which a fraction is noise.
_NOISE: Final = Decimal("0.01")
#: More digits than any amount has: the default context would refuse long ones.
_EXACT: Final = Context(prec=60)

#: ISO 4217, upper case, with a smallest unit.
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(_divisible)]


def decimals(currency: str | None) -> int:
    """Return the digits after the point of an amount in this currency; two if it is unknown."""
    return _DIGITS.get(currency or "", 2)


def to_unit(amount: Decimal, currency: str | None) -> Decimal:
    """Round an amount to the smallest unit of its currency, half up; to two digits if the currency is unknown."""
    return amount.quantize(Decimal((0, (1,), -decimals(currency))), ROUND_HALF_UP, _EXACT)


def to_minor(amount: Decimal, currency: str) -> int:
    """Convert 12.5 EUR to 1250; the noise of floating-point numbers is rounded, half up.

    Raise ValueError for an amount that is finer than the smallest unit.
    """
    sign, digits, exponent = amount.as_tuple()
    # Arithmetic would round to the precision of the default context.
    exact = Decimal((sign, digits, int(exponent) + decimals(currency)))
    rounded = exact.quantize(Decimal(1), ROUND_HALF_UP, _EXACT)
    if abs(_EXACT.subtract(exact, rounded)) > _NOISE:
        raise ValueError(f"the amount is finer than the smallest unit of {currency}")
    return int(rounded)


def from_minor(amount: Decimal, currency: str) -> Decimal:
    """Convert 1250 of the smallest unit of EUR to 12.50."""
    sign, digits, exponent = amount.as_tuple()
    return Decimal((sign, digits, int(exponent) - decimals(currency)))
