"""Orders as shops really get them, made up from a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from worker.lab.sandbox.people import BRANDS, COLOURS, COMMENTS, COUNTRIES, PRODUCTS, SIZES, Country

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

STATUSES: Final = ("new", "paid", "processing", "shipped", "delivered", "cancelled")
_METHODS: Final = ("cash", "bank-card", "e-money", "bank-transfer")
_DAY: Final = 86400
_CENTS: Final = 2


@dataclass(slots=True)
class DraftLine:
    """One line; amounts in the smallest unit of the currency, of one piece."""

    sku: str
    ean: str | None
    name: str
    quantity: float
    price: int
    discount: int
    purchase_price: int | None
    vat: str
    brand: str
    options: dict[str, str]
    comment: str | None
    cancelled: bool


@dataclass(slots=True)
class DraftPayment:
    """One payment; `paid` is when, in seconds since 1970, or None."""

    method: str
    amount: int
    paid: int | None


@dataclass(slots=True)
class Draft:
    """An order before any system put it into its own words."""

    external_id: str | None
    number: str
    #: Seconds since 1970.
    created: int
    country: Country
    first_name: str
    last_name: str | None
    company: str | None
    email: str | None
    phone: str | None
    street: str
    building: str
    flat: str | None
    city: str
    region: str | None
    postcode: str | None
    status: str
    lines: list[DraftLine]
    shipping: int
    #: Of the whole order, besides those of its lines.
    discount: int
    payments: list[DraftPayment] = field(default_factory=list)
    comment: str | None = None
    note: str | None = None
    promised: int | None = None
    custom: dict[str, object] = field(default_factory=dict)

    def money(self, minor: int) -> int | float:
        """An amount as PHP writes it: an int when it is whole, else a float."""
        scale: int = 10**self.country.places
        return minor // scale if minor % scale == 0 else minor / scale

    def goods(self) -> int:
        """What the lines that are not cancelled cost, before the discount of the whole order."""
        return sum(round((n.price - n.discount) * n.quantity) for n in self.lines if not n.cancelled)


class Orders:
    """An endless supply of orders: the same seed and the same calls give the same orders."""

    def __init__(self, chance: random.Random, fractions: float = 0.04) -> None:
        """A share of `fractions` of the lines has a quantity that is not whole."""
        self._chance, self._fractions = chance, fractions
        self._pick = chance.choice
        self._serial = 100_000

    def _odds(self, share: float) -> bool:
        return self._chance.random() < share

    def times(self, count: int, until: float, spread: float) -> list[int]:
        """Moments in the `spread` seconds before `until`, ascending; every fifth or so shares its second."""
        moments = sorted(int(until - self._chance.random() * spread) for _ in range(count))
        for n in range(1, count):
            if self._odds(0.2):
                moments[n] = moments[n - 1]
        return moments

    def make(self, times: list[int], prefix: str, missing_ids: float) -> Iterator[Draft]:
        """One order for each moment; a share of `missing_ids` has no external id."""
        for moment in times:
            self._serial += 1
            number = f"{prefix}{self._serial}"
            yield self.one(None if self._odds(missing_ids) else number, number, moment)

    def one(self, external_id: str | None, number: str, created: int) -> Draft:
        """One order."""
        odds, pick, between = self._odds, self._pick, self._chance.randrange
        country = pick(COUNTRIES)
        city, region, postcode = pick(country.towns)
        draft = Draft(
            external_id=external_id,
            number=number,
            created=created,
            country=country,
            first_name=pick(country.firsts),
            last_name=pick(country.lasts) if odds(0.96) else None,
            company=country.company if odds(0.12) else None,
            email=f"buyer{between(10**6)}@example.org" if odds(0.9) else None,
            phone=f"{country.dial} {between(10**8, 10**9)}" if odds(0.9) else None,
            street=pick(country.streets),
            building=str(between(1, 200)) + pick(("", "", "", "a", "/2")),
            flat=str(between(1, 99)) if odds(0.5) else None,
            city=city,
            region=region or None,
            postcode=postcode or None,
            status=pick(STATUSES) if odds(0.4) else "new",
            lines=[self._line(country) for _ in range(self._line_count())],
            shipping=self._price(country, 2000) if odds(0.7) else 0,
            discount=0,
        )
        self._extras(draft)
        return draft

    def _line_count(self) -> int:
        if self._odds(0.93):
            return self._chance.randrange(1, 5)
        return self._chance.randrange(5, 16) if self._odds(0.9) else self._chance.randrange(16, 61)

    def _price(self, country: Country, top: int) -> int:
        """Up to `top` cents or as many tens of a coarser currency; every third amount is whole."""
        minor = self._chance.randrange(1, top)
        if self._odds(0.33):
            minor = minor // 100 * 100 + 100
        return minor if country.places == _CENTS else minor * 10

    def _line(self, country: Country) -> DraftLine:
        odds, pick = self._odds, self._pick
        article = self._chance.randrange(10_000)
        price = 0 if odds(0.03) else self._price(country, 20_000)
        return DraftLine(
            sku=f"SKU-{article:05d}",
            ean=f"8723521{article:06d}" if odds(0.6) else None,
            name=PRODUCTS[article % len(PRODUCTS)],
            quantity=pick((0.5, 1.25, 0.333, 2.75)) if odds(self._fractions) else float(pick((1, 1, 1, 2, 2, 3, 10))),
            price=price,
            discount=price // 10 if odds(0.15) else 0,
            purchase_price=price // 3 if odds(0.5) else None,
            vat=pick(("none", "20.00", "9.00")),
            brand=BRANDS[article % len(BRANDS)],
            options={"color": pick(COLOURS), "size": pick(SIZES)} if odds(0.25) else {},
            comment=pick(COMMENTS) if odds(0.05) else None,
            cancelled=False,
        )

    def _extras(self, draft: Draft) -> None:
        """What most orders do not have: discounts, payments, comments, a promised day, custom fields."""
        odds, pick, between = self._odds, self._pick, self._chance.randrange
        if len(draft.lines) > 1 and odds(0.04):
            draft.lines[-1].cancelled = True
        goods = draft.goods()
        if odds(0.12):
            draft.discount = min(goods, self._price(draft.country, 500))
        due = goods - draft.discount + draft.shipping
        if due > 1 and odds(0.6):
            shares = [due // 3, due - due // 3] if odds(0.12) else [due]
            paid = None if draft.status == "new" and odds(0.5) else draft.created + between(600)
            draft.payments = [DraftPayment(pick(_METHODS), share, paid) for share in shares]
        if odds(0.2):
            draft.comment = pick(COMMENTS) * (200 if odds(0.05) else 1)
        if odds(0.1):
            draft.note = pick(COMMENTS)
        if odds(0.3):
            draft.promised = draft.created + between(1, 14) * _DAY
        if odds(0.2):
            draft.custom = {"nps": between(11), "gift_wrap": odds(0.5), "шаблон": pick(COLOURS)}
