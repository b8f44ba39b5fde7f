"""The engine: top to bottom, once, and what was said is known to the rules below."""

from shared.saga.rules import Rule, apply


def remember(said: frozenset[str], thing: str) -> frozenset[str]:
    return said | {thing}


RULES = (
    Rule("second", lambda said: "first" in said and "second" not in said, lambda _: ["second"]),
    Rule("first", lambda said: "first" not in said, lambda _: ["first"]),
    Rule("both", lambda said: "third" not in said, lambda said: ["third", f"after {len(said)}"]),
    Rule("nothing", lambda _: True, lambda _: []),
)


def test_rules_are_looked_at_once_from_top_to_bottom():
    facts, said = apply(RULES, frozenset(), remember)
    assert said == ("first", "third", "after 1")
    assert facts == {"first", "third", "after 1"}
    assert apply(RULES, facts, remember)[1] == ("second",)


def test_when_everything_is_said_nothing_more_is():
    facts = frozenset[str]()
    for _ in range(3):
        facts, said = apply(RULES, facts, remember)
    assert said == ()
