"""Who receives the goods: the shipping address, completed with what the order knows of people elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from schemas.order import Address, Customer, Order

    Person: TypeAlias = Address | Customer
    #: First, middle and last name.
    Names: TypeAlias = tuple[str | None, str | None, str | None]


def receiver_of(order: Order, *, named: bool = False) -> Address:
    """Return the shipping address with the names, telephone numbers and email address of the receiver.

    Every target writes this instead of `order.shipping_address`. An address without names and company has those of the
    customer, or else of the billing address; half a name is completed by the other half of the same person.

    `named` is for a target that requires a first and a last name. For it, a full name in one field is split; then a
    missing half, or the whole name of a company's address, is taken from the customer or the billing address; at last
    the company is the last name. What is unknown is None: no name is made up.
    """
    to, others = order.shipping_address, _others(order)
    people = [to, *others]
    source = next((person for person in people if _is_named(person) or person.company), to)
    first, middle, last = _required(source, people) if named else _completed(source, people)
    contact = _contact(people)
    return to.model_copy(
        update={
            "first_name": first,
            "middle_name": middle,
            "last_name": last,
            "company": source.company,
            "phone": contact.phone,
            "phone2": contact.phone2,
            "email": contact.email,
        }
    )


class Contact(NamedTuple):
    """How to reach the receiver."""

    phone: str | None
    #: A second number to be called.
    phone2: str | None
    email: str | None


def contact_of(order: Order) -> Contact:
    """Return how to reach the receiver, as `receiver_of` does."""
    return _contact([order.shipping_address, *_others(order)])


def _contact(people: Sequence[Person]) -> Contact:
    phone, second, email = None, None, None
    for person in people:
        phone, second, email = phone or person.phone, second or person.phone2, email or person.email
    phone = phone or second
    return Contact(phone or None, (second or None) if second != phone else None, email or None)


def full_name(person: Person) -> str | None:
    """Return the names of a person in one text, for a target that has one field for them; a name in two fields once."""
    names = dict.fromkeys(filter(None, (person.first_name, person.middle_name, person.last_name)))
    return " ".join(names) or None


def given_names(person: Person) -> str | None:
    """Return first and middle name in one text, for a target that has no field for a middle name."""
    return " ".join(filter(None, (person.first_name, person.middle_name))) or None


def _others(order: Order) -> list[Person]:
    """Return the people besides the receiver, the most likely first."""
    return [order.customer, *([order.billing_address] if order.billing_address else [])]


def _is_named(person: Person) -> bool:
    return bool(person.first_name or person.middle_name or person.last_name)


def _is_same(person: Person, other: Person) -> bool:
    """Return whether the names that both have are the same, and there is such a name."""
    pairs = ((person.first_name, other.first_name), (person.last_name, other.last_name))
    same = [mine.casefold() == theirs.casefold() for mine, theirs in pairs if mine and theirs]
    return bool(same) and all(same)


def _completed(person: Person, people: Iterable[Person]) -> Names:
    """Return the names of a person. What is missing is taken from where the same person stands with more names."""
    same = [person, *(other for other in people if _is_same(person, other))]
    first, middle, last = None, None, None
    for each in same:
        first, middle, last = first or each.first_name, middle or each.middle_name, last or each.last_name
    return first or None, middle or None, last or None


def _required(person: Person, people: list[Person]) -> Names:
    """Return the names of a person, of which a target requires the first and the last."""
    person = person if _is_named(person) else next(filter(_is_named, people), person)
    first, middle, last = _completed(person, people)
    if (one := first or last) and not (first and last) and " " in one:
        first, last = one.rsplit(maxsplit=1)
    last = last or _first(each.last_name for each in people) or _first(each.company for each in people)
    return first or _first(each.first_name for each in people), middle, last


def _first(texts: Iterable[str | None]) -> str | None:
    for text in texts:
        if text:
            return text
    return None
