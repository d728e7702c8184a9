"""The compressed form in which Redis keeps the content of an order until it is delivered."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from typing import Final

#: Text that most orders share, which is most of a short order. Never change it: unpacking needs the text that packed.
_COMMON: Final = (
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
#: Marks packed content: JSON never begins with it. Base 64 is a fifteenth longer than base 85, but 100 times as fast.
_MARK: Final = "2"


def pack(text: str) -> str:
    """Return the JSON of an order in fewer bytes, as text; unchanged where that is shorter."""
    squeeze = zlib.compressobj(wbits=-15, zdict=_COMMON)
    packed = _MARK + b64encode(squeeze.compress(text.encode()) + squeeze.flush()).decode()
    return packed if len(packed) < len(text) else text


def unpack(kept: str) -> str:
    """Return the JSON that was given to `pack`."""
    if not kept.startswith(_MARK):
        return kept
    widen = zlib.decompressobj(wbits=-15, zdict=_COMMON)
    return (widen.decompress(b64decode(kept[1:])) + widen.flush()).decode()
