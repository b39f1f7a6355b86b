"""Short English words, each a single token to nearly every tokenizer."""

from __future__ import annotations

_TEXT = """
about above across after again air all along also always among and animal another answer any are
around ask back ball bank base bed before began being below best better big bird black blue boat
body book both box boy bring brown build but call came can car care carry cat center change check
city class clear close cold color come common could country course cut dark day deep did dog done
door down draw dry each early earth east easy eat end enough even ever every eye face fact fall
far farm fast father feet few field fill find fine fire first fish five fly follow food form four
free friend from front full game gave get girl give go gold good got great green ground group grow
half hand hard have head hear heat help here high hill hold home horse hot hour house how idea
island just keep kind king knew know land large last late laugh lay lead learn leave left less let
letter life light like line list little live long look love low machine made make man many map
mark may mean men might mile mind miss money moon more morning most mother mountain move much
music must name near need never new next night north note notice now number off often old once one
only open
"""
WORDS = tuple(_TEXT.split())
