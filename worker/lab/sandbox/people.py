"""Made-up buyers, places and products, with names in many scripts."""

# ruff: noqa: RUF001, E501  # letters of many scripts are intended; a country is a row of the table

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Country:
    """The names, addresses and currency of one country; amounts have `decimals` decimals."""

    iso: str
    name: str
    currency: str
    decimals: int
    dial: str
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    streets: tuple[str, ...]
    #: City, region and postcode; the last two are "" where an address has none.
    towns: tuple[tuple[str, str, str], ...]
    company: str


def _row(  # noqa: PLR0913, PLR0917  # the columns of the table below
    iso: str, name: str, currency: str, decimals: int, dial: str,
    first_names: str, last_names: str, streets: str, towns: str, company: str,
) -> Country:  # fmt: skip
    places = (tuple(part.strip() for part in town.split("|")) for town in towns.split(";"))
    return Country(
          iso, name, currency, decimals, dial,
          tuple(first_names.split(",")), tuple(last_names.split(",")), tuple(streets.split(",")),
          tuple((city, region, code) for city, region, code in places), company,
    )  # fmt: skip


# fmt: off
COUNTRIES: Final = (
    _row("RU", "Россия", "RUB", 2, "+7", "Иван,Анастасия,Пётр,Юлия,Фёдор", "Иванов,Щукина,Ёлкин,Римская-Корсакова",
         "ул. Ленина,Тверская ул.,пр-т Мира", "Москва | Москва | 101000; Нижний Новгород | Нижегородская обл. | 603000",
         "ООО «Ромашка»"),
    _row("UA", "Україна", "UAH", 2, "+380", "Олена,Їжак,Андрій", "Шевченко,Ґудзь,Зав'ялова",
         "вул. Хрещатик,вул. Січових Стрільців", "Київ || 01001; Львів | Львівська область | 79000", "ТОВ «Калина»"),
    _row("GR", "Ελλάδα", "EUR", 2, "+30", "Ελένη,Γιώργος,Ιωάννης", "Παπαδόπουλος,Αγγελοπούλου", "Οδός Ερμού,Λεωφ. Συγγρού",
         "Αθήνα | Αττική | 105 63; Θεσσαλονίκη || 546 24", "Ελαιώνας Α.Ε."),
    _row("AE", "الإمارات العربية المتحدة", "AED", 2, "+971", "محمد,فاطمة,عبد الله", "الهاشمي,بن راشد",
         "شارع الشيخ زايد,شارع الوصل", "دبي | دبي |; أبو ظبي ||", "شركة النخيل"),
    _row("KW", "الكويت", "KWD", 3, "+965", "نورة,سالم", "العنزي,الصباح", "شارع الخليج العربي", "مدينة الكويت || 13001",
         "مؤسسة البحر"),
    _row("IL", "ישראל", "ILS", 2, "+972", "נועה,דוד", "כהן,בן־דוד", "רחוב הרצל,שד' רוטשילד", "תל אביב || 6688101",
         "חברת הזית בע״מ"),
    _row("JP", "日本", "JPY", 0, "+81", "花子,太郎,さくら", "山田,佐藤,髙橋", "丸の内1丁目,四条通", "千代田区 | 東京都 | 100-0005; 京都市 | 京都府 | 600-8008",
         "株式会社さくら"),
    _row("CN", "中国", "CNY", 2, "+86", "伟,秀英,子涵", "王,李,欧阳", "南京路,中山大道", "上海 | 上海市 | 200000; 广州 | 广东省 | 510000",
         "上海荷花有限公司"),
    _row("KR", "대한민국", "KRW", 0, "+82", "민준,서연", "김,남궁", "세종대로,테헤란로", "서울 || 04524", "주식회사 무궁화"),
    _row("HK", "Hong Kong", "HKD", 2, "+852", "Ka Ming,Wing", "Chan,Au-Yeung", "Nathan Road,Queen's Road Central",
         "Kowloon || ", "Lotus Trading Ltd."),
    _row("VN", "Việt Nam", "VND", 0, "+84", "Nguyễn Thị Hồng,Đức", "Trần,Nguye\u0302\u0303n,Phạm", "Đường Lê Lợi",
         "Hà Nội || 100000", "Công ty Sen Việt"),
    _row("IN", "India", "INR", 2, "+91", "आरव,Priya,Lakshmi", "शर्मा,Venkataraghavan", "MG Road,Nehru Marg",
         "Mumbai | Maharashtra | 400001; Bengaluru | Karnataka | 560001", "Lotus & Sons Pvt Ltd"),
    _row("TH", "ประเทศไทย", "THB", 2, "+66", "สมชาย,กัญญา", "ใจดี,ทองคำ", "ถนนสุขุมวิท", "กรุงเทพฯ || 10110", "บริษัท ดอกบัว"),
    _row("NL", "Nederland", "EUR", 2, "+31", "Sanne,Jurriën,Daan", "de Vries,van 't Hof,IJsselstein",
         "Prinsengracht,Oude Zijds Voorburgwal", "Amsterdam | Noord-Holland | 1012 AB; 's-Hertogenbosch || 5211 AA", "Tulp B.V."),
    _row("DE", "Deutschland", "EUR", 2, "+49", "Jürgen,Änne,Zoë", "Müller,Weiß,Freiherr von und zu Öttingen",
         "Hauptstraße,Straße des 17. Juni", "Köln | Nordrhein-Westfalen | 50667; München | Bayern | 80331", "Grünwald GmbH & Co. KG"),
    _row("FR", "France", "EUR", 2, "+33", "Chloé,François,Noël", "Lefèvre,d'Aubigné,Œuvrard", "Rue de l'Église,Bd Saint-Michel",
         "Paris || 75005; L'Haÿ-les-Roses | Île-de-France | 94240", "Société Générale du Thé"),
    _row("ES", "España", "EUR", 2, "+34", "Íñigo,María José,Begoña", "Muñoz,Núñez de Balboa", "C/ Mayor,Avda. Diagonal",
         "A Coruña | Galicia | 15001; Madrid || 28013", "Almendra S.L."),
    _row("PL", "Polska", "PLN", 2, "+48", "Łukasz,Żaneta", "Święcicki,Błaszczyk", "ul. Długa", "Łódź | łódzkie | 90-001", "Wiśnia Sp. z o.o."),
    _row("CZ", "Česko", "CZK", 2, "+420", "Jiří,Kateřina", "Dvořák,Novotná", "Václavské nám.", "Praha 1 || 110 00", "Třešeň s.r.o."),
    _row("TR", "Türkiye", "TRY", 2, "+90", "İbrahim,Ayşe,Işıl", "Yılmaz,Özgür", "İstiklal Cad.", "İstanbul || 34433", "Gül A.Ş."),
    _row("IS", "Ísland", "ISK", 0, "+354", "Þórdís,Ævar", "Guðmundsdóttir,Þórsson", "Laugavegur", "Reykjavík || 101", "Fífill ehf."),
    _row("BR", "Brasil", "BRL", 2, "+55", "João,Conceição", "Araújo,da Silva e Souza", "Rua das Flores", "São Paulo | SP | 01310-100", "Açaí Ltda."),
    _row("IE", "Ireland", "EUR", 2, "+353", "Seán,Siobhán", "O'Brien,Mac Giolla Phádraig", "O'Connell Street",
         "Dublin || D02 AF30; Kilronan | Co. Galway |", "Shamrock Ltd"),
    _row("GB", "United Kingdom", "GBP", 2, "+44", "Ada,Nigel", "Lovelace,Featherstonehaugh-Cholmondeley", "High Street,The Mall",
         "London || SW1A 1AA; Llanfairpwllgwyngyll | Ynys Môn | LL61 5UJ", "Rose & Crown plc"),
    _row("US", "United States", "USD", 2, "+1", "Ada,John,Renée 🙂", "Doe,O'Neil,Null", "Main St,Jumpstreet",
         "LA | CA | 90001; Springfield | IL | 62701", 'Acme, Inc. "West"'),
)

PRODUCTS: Final = (
    "Mug", "Кружка «Утро»", "Ελαιόλαδο 1 L", "قهوة عربية", "抹茶セット", "红茶 🍵", "Pizza margerita", "Coca Cola", 'T-shirt "Ünïcödé"',
    "Käse & Brot <frisch>", "Sticker 🏳️\u200d🌈👩\u200d👩\u200d👧", "1/10 4WD Brushless (Серый)", "Cable 2 m; black", "Gift card", "Zażółć gęślą jaźń",
    "Cafe\u0301 cre\u0300me", "Screw M3 × 10, 100 pcs\tzinc", "O'Reilly book \\ paperback",
)
BRANDS: Final = ("Mario", "Ромашка", "Kawaii", "Ünïcorn", "No name")
COLOURS: Final = ("red", "чёрный", "青", "schwarz/weiß")
SIZES: Final = ("S", "XL", "42½")
COMMENTS: Final = (
    "Please ring twice.", "Позвоните за час!\nДомофон не работает.", "No ananas/pineapple 🍍", "置き配してください",
    'Lass es beim Nachbarn, "Müller".', "الرجاء الاتصال قبل التوصيل", "<b>Geschenk</b> & Karte",
)
# fmt: on
