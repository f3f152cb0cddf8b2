"""The default collection is Mongoose's: every name here was given to mongoose 9.12.1's own `pluralize`."""

from __future__ import annotations

import pytest

from datactl.schema import pluralize

GIVEN_BY_MONGOOSE = """
Post=posts Product=products Category=categories User=users Comment=comments Person=people People=peoples
Child=children Man=men Woman=women Human=humans German=germen Mouse=mice Blouse=blice House=houses Goose=geese
Ox=oxen Box=boxes Fox=foxes Axis=axes Testis=testes Octopus=octopi Cactus=cacti Focus=foci Fungus=fungi
Nucleus=nuclei Alias=aliases Status=status Virus=viruses Bus=buses Campus=campus Buffalo=buffaloes
Tomato=tomatoes Potato=potatoes Photo=photos Hero=heros Medium=media Stadium=stadia Album=albums Forum=forums
Analysis=analyses Crisis=crises Basis=bases Thesis=theses Wife=wives Knife=knives Life=lives Safe=saves
Giraffe=giraffes Half=halves Calf=calves Shelf=shelves Leaf=leafs Roof=roofs Chief=chiefs Wolf=wolves Hive=hives
City=cities Country=countries Day=days Key=keys Query=queries Soliloquy=soliloquies Boy=boys Company=companies
Dish=dishes Church=churches Class=classes Address=addresses Quiz=quizzes Quizz=quizzs Matrix=matrixes
Vertex=vertexes Index=indexes Appendix=appendixes Series=series Species=species News=news Fish=fish Sheep=sheep
Deer=deer Moose=moose Media=media Information=information Equipment=equipment Money=money Rice=rice
Advice=advice Paper=paper Health=health Outbox=outboxes UserProfile=userprofiles OrderItem=orderitems
APIKey=apikeys Log2=log2 Item_=item_ V1=v1 Data=datas Datum=data Foot=foots Tooth=tooths Process=processes
Access=accesses Settings=settings Stats=stats Data-Set=data-sets Invoice=invoices Exif=exifs Ex=exes
Latex=latexes Suffix=suffixes Regex=regexes Lice=lices Louse=lice Spouse=spouses Photo2=photo2 Energy=energy
Staff=staffs Cafe=caves Ibex=ibexes Café=café Man1=man1 Snowman=snowmen Talisman=talismen Shaman=shamen
Statuses=statuses Children=childrens Women=womens Batch=batches Tax=taxes Stitch=stitches Stomach=stomaches
Bonus=bonus Genus=genus Menu=menus Loss=losses Gas=gas Canvas=canvas Lens=lens Piano=pianos Studio=studios
Monkey=monkeys Guy=guys Colloquy=colloquies Midwife=midwives Policy=policies History=histories Movie=movies
Analytics=analytics
"""


@pytest.mark.parametrize("pair", GIVEN_BY_MONGOOSE.split())
def test_a_collection_has_the_name_that_mongoose_gives_it(pair: str) -> None:
    name, collection = pair.split("=")
    assert pluralize(name) == collection
