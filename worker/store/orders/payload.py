"""How the content of an order is kept in Redis until it is delivered."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode, b85decode
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: What orders are alike in, which is most of a short one. Never change it: what was packed with it is read with it.
_ALIKE: Final = (
    b'"custom":{"options":{"size":"gift_wrap":true"image_url":"https://"supplier":"category":"brand":"weight":"'
    b'"purchase_price":"product_id":"ean":"discount":"tax":"items":"fees":"note":"street2":"company":"region":"'
    b'"payments":[{"status":"paid","type":"amount":"currency":"EUR""currency":"USD""paid_at":"method":"'
    b'{"provider":"shop","external_id":"10","display_id":"#10","version":"updated_at":"20'
    b'"status":"new","status_raw":"new","ordered_at":"2026-01-02T03:04:05Z","currency":"EUR",'
    b'"lines":[{"id":"1","sku":"","name":"","quantity":"1","unit_price":"9.9"},'
    b'{"id":"2","sku":"","name":"","quantity":"2","unit_price":"9.9"}],'
    b'"totals":{"items":"shipping":"","tax":"grand":""},"shipping":{"method":"cost":"'
    b'"customer":{"id":"first_name":"last_name":"email":"@example.com","phone":"+3'
    b'"billing_address":{"first_name":"","last_name":"","street1":"","city":"","postal_code":"","country":"","phone":"+'
    b'"shipping_address":{"first_name":"","last_name":"","street1":"","city":"","postal_code":"","country":"US"}}'
)
#: The way it is packed now; base 64 is a fifteenth longer than base 85, and a hundred times as fast.
_WAY: Final = "2"
#: All ways that ever were, by what they begin with; JSON begins otherwise.
_WAYS: Final[dict[str, Callable[[str], bytes]]] = {"1": b85decode, _WAY: b64decode}


def pack(text: str) -> str:
    """The JSON of an order in fewer bytes, as text; itself where that is shorter."""
    squeeze = zlib.compressobj(wbits=-15, zdict=_ALIKE)
    packed = _WAY + b64encode(squeeze.compress(text.encode()) + squeeze.flush()).decode()
    return packed if len(packed) < len(text) else text


def unpack(kept: str) -> str:
    """The JSON that `pack` was given; the release before kept it as it is."""
    if (decode := _WAYS.get(kept[:1])) is None:
        return kept
    widen = zlib.decompressobj(wbits=-15, zdict=_ALIKE)
    return (widen.decompress(decode(kept[1:])) + widen.flush()).decode()
