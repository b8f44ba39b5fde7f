"""deploy/topics.yaml is the one list: it has every topic of the registry, with its owner, key and readers."""

from deploy.local.topics import Topic, load
from shared.contracts.documents import SERVICES, heard_by
from shared.contracts.registry import MODELS, OWNERS
from tests.contracts.golden_messages import golden

TOPICS: dict[str, Topic] = {topic.name: topic for topic in load()}


def test_every_topic_is_listed_once_and_no_other() -> None:
    assert len(TOPICS) == len(load())
    assert set(TOPICS) == set(OWNERS)


def test_owners_are_those_who_produce() -> None:
    assert {name: topic.owner for name, topic in TOPICS.items()} == OWNERS


def test_readers_are_those_whose_routing_table_listens() -> None:
    heard = {service: {model.topic for model in heard_by(service)} for service in SERVICES}
    listed = {
        service: {name for name, topic in TOPICS.items() if service in topic.readers} for service in SERVICES
    }
    assert listed == heard


def test_keys_are_what_the_contract_makes_of_the_fields_they_are_listed_by() -> None:
    for ce_type, model in MODELS.items():
        body = golden(ce_type)
        parts = [str(body[field]) for field in TOPICS[model.topic].key.split(":")]
        assert model.model_validate(body).key() == ":".join(parts), ce_type


def test_topics_keyed_by_order_share_a_partition_count() -> None:
    assert len({topic.partitions for topic in TOPICS.values() if topic.key == "order_id"}) == 1


def test_topics_with_names_addresses_or_mail_are_personal() -> None:
    def fields(schema: object) -> set[str]:
        if isinstance(schema, dict):
            own = set(schema.get("properties", ()))
            return own.union(*(fields(value) for value in schema.values()))
        return set().union(*(fields(value) for value in schema)) if isinstance(schema, list) else set()

    for model in MODELS.values():
        if "email" in fields(model.model_json_schema()):
            assert TOPICS[model.topic].classification == "personal", model.topic
