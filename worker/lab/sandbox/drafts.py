"""Made-up orders like those that shops receive, generated from a seed."""

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
    """One line; amounts are per piece, in the smallest unit of the currency."""

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
    """One payment; `paid` is its time in seconds since 1970, or None if it is due."""

    method: str
    amount: int
    paid: int | None


@dataclass(slots=True)
class Draft:
    """An order before a system has put it into its own format."""

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
    #: The discount on the whole order, in addition to those of its lines.
    discount: int
    payments: list[DraftPayment] = field(default_factory=list)
    comment: str | None = None
    note: str | None = None
    promised: int | None = None
    custom: dict[str, object] = field(default_factory=dict)

    def money(self, minor: int) -> int | float:
        """Return an amount as PHP writes it: an int if it is whole, else a float."""
        scale: int = 10**self.country.decimals
        return minor // scale if minor % scale == 0 else minor / scale

    def goods_total(self) -> int:
        """Return the price of the lines that are not cancelled, before the discount on the whole order."""
        return sum(round((line.price - line.discount) * line.quantity) for line in self.active_lines())

    def active_lines(self) -> list[DraftLine]:
        """Return the lines that are not cancelled."""
        return [line for line in self.lines if not line.cancelled]


class DraftFactory:
    """Makes up orders without end; the same seed and the same calls make the same orders."""

    def __init__(self, rng: random.Random, fractions: float = 0.04) -> None:
        """Set up the factory; `fractions` is the share of the lines whose quantity is not whole."""
        self._rng, self._fractions = rng, fractions
        self._pick = rng.choice
        self._serial = 100_000

    def _happens(self, probability: float) -> bool:
        return self._rng.random() < probability

    def moments(self, count: int, until: float, spread: float) -> list[int]:
        """Return ascending moments in the `spread` seconds before `until`; about one in five shares its second."""
        moments = sorted(int(until - self._rng.random() * spread) for _ in range(count))
        for n in range(1, count):
            if self._happens(0.2):
                moments[n] = moments[n - 1]
        return moments

    def make(self, moments: list[int], prefix: str, missing_ids: float) -> Iterator[Draft]:
        """Yield one order for each moment; a share of `missing_ids` has no external id."""
        for moment in moments:
            self._serial += 1
            number = f"{prefix}{self._serial}"
            yield self._draft(None if self._happens(missing_ids) else number, number, moment)

    def _draft(self, external_id: str | None, number: str, created: int) -> Draft:
        happens, pick, between = self._happens, self._pick, self._rng.randrange
        country = pick(COUNTRIES)
        city, region, postcode = pick(country.towns)
        draft = Draft(
            external_id=external_id,
            number=number,
            created=created,
            country=country,
            first_name=pick(country.first_names),
            last_name=pick(country.last_names) if happens(0.96) else None,
            company=country.company if happens(0.12) else None,
            email=f"buyer{between(10**6)}@example.org" if happens(0.9) else None,
            phone=f"{country.dial} {between(10**8, 10**9)}" if happens(0.9) else None,
            street=pick(country.streets),
            building=str(between(1, 200)) + pick(("", "", "", "a", "/2")),
            flat=str(between(1, 99)) if happens(0.5) else None,
            city=city,
            region=region or None,
            postcode=postcode or None,
            status=pick(STATUSES) if happens(0.4) else "new",
            lines=[self._line(country) for _ in range(self._line_count())],
            shipping=self._price(country, 2000) if happens(0.7) else 0,
            discount=0,
        )
        self._extras(draft)
        return draft

    def _line_count(self) -> int:
        if self._happens(0.93):
            return self._rng.randrange(1, 5)
        return self._rng.randrange(5, 16) if self._happens(0.9) else self._rng.randrange(16, 61)

    def _price(self, country: Country, top: int) -> int:
        """Return up to `top` cents, or ten times as many units without cents; about one amount in three is whole."""
        minor = self._rng.randrange(1, top)
        if self._happens(0.33):
            minor = minor // 100 * 100 + 100
        return minor if country.decimals == _CENTS else minor * 10

    def _line(self, country: Country) -> DraftLine:
        happens, pick = self._happens, self._pick
        article = self._rng.randrange(10_000)
        price = 0 if happens(0.03) else self._price(country, 20_000)
        return DraftLine(
            sku=f"SKU-{article:05d}",
            ean=f"8723521{article:06d}" if happens(0.6) else None,
            name=PRODUCTS[article % len(PRODUCTS)],
            quantity=pick((0.5, 1.25, 0.333, 2.75))
            if happens(self._fractions)
            else float(pick((1, 1, 1, 2, 2, 3, 10))),
            price=price,
            discount=price // 10 if happens(0.15) else 0,
            purchase_price=price // 3 if happens(0.5) else None,
            vat=pick(("none", "20.00", "9.00")),
            brand=BRANDS[article % len(BRANDS)],
            options={"color": pick(COLOURS), "size": pick(SIZES)} if happens(0.25) else {},
            comment=pick(COMMENTS) if happens(0.05) else None,
            cancelled=False,
        )

    def _extras(self, draft: Draft) -> None:
        """Add what only some orders have: discounts, payments, comments, a promised day, custom fields."""
        happens, pick, between = self._happens, self._pick, self._rng.randrange
        if len(draft.lines) > 1 and happens(0.04):
            draft.lines[-1].cancelled = True
        goods = draft.goods_total()
        if happens(0.12):
            draft.discount = min(goods, self._price(draft.country, 500))
        due = goods - draft.discount + draft.shipping
        if due > 1 and happens(0.6):
            shares = [due // 3, due - due // 3] if happens(0.12) else [due]
            paid = None if draft.status == "new" and happens(0.5) else draft.created + between(600)
            draft.payments = [DraftPayment(pick(_METHODS), share, paid) for share in shares]
        if happens(0.2):
            draft.comment = pick(COMMENTS) * (200 if happens(0.05) else 1)
        if happens(0.1):
            draft.note = pick(COMMENTS)
        if happens(0.3):
            draft.promised = draft.created + between(1, 14) * _DAY
        if happens(0.2):
            draft.custom = {"nps": between(11), "gift_wrap": happens(0.5), "шаблон": pick(COLOURS)}
