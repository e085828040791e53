"""Logging in to Kafka's protocol, access lists, users and quotas, as kcat, librdkafka and kafka-python know them."""
import struct
import time

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, NewTopic, ResourcePatternType,
                                   ResourceType, ScramCredentialInfo, ScramMechanism, UserScramCredentialDeletion,
                                   UserScramCredentialUpsertion)
from kafka import KafkaConsumer, KafkaProducer
from kafka.protocol.admin import AlterClientQuotasRequest, DescribeAclsRequest, DescribeClientQuotasRequest, DescribeUserScramCredentialsRequest
from kafka.protocol.sasl import SaslAuthenticateRequest, SaslHandshakeRequest

from kafka_raw import Raw, batch
from kafka_server import AGAINST_KAFKA, Topics, again, kcat, not_redis
from node import PATIENCE_S, wait_until

pytestmark = [not_redis, pytest.mark.skipif(AGAINST_KAFKA, reason="the peer is not set up with SASL")]
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
PASSWORDS = {"admin": "admin-secret", "ann": "ann:secret", "bob": "bob=,secret"}


def users_file(folder) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "users"
    file.write_text("# name:password\n\n" + "".join(f"{name}:{password}\n" for name, password in PASSWORDS.items()))
    return str(file)


def guarded(launch, folder: str, **options):
    place = launch.folder / folder
    words = {"kafka.sasl.mechanisms": ",".join(MECHANISMS), "kafka.sasl.users-file": users_file(launch.folder / f"{folder}-users"), **options}
    server = launch.keep(Topics(place, words))
    server.words = words
    return server


@pytest.fixture(scope="module")
def server(launch_shared):
    return guarded(launch_shared, "guarded", **{"kafka.acls": "yes", "kafka.super-users": "User:admin"})


def login(user: str, mechanism: str = "SCRAM-SHA-256", password: str | None = None) -> dict:
    return {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism, "sasl.username": user,
            "sasl.password": PASSWORDS[user] if password is None else password}


def admin_as(server, user: str = "admin", **how) -> AdminClient:
    """Its calls end with it: keep it until they are answered."""
    return AdminClient({"bootstrap.servers": server.endpoint, **login(user, **how)})


def results(futures: dict) -> dict:
    return {key: future.result(PATIENCE_S) for key, future in futures.items()}


def code_of(asks) -> int:
    """The error with which a call ends."""
    with pytest.raises(KafkaException) as told:
        asks()
    return told.value.args[0].code()


def acls_error(server, user: str) -> int:
    """By hand: confluent-kafka hides the error of DescribeAcls."""
    with Raw(server.endpoint) as raw:
        raw.ask(SaslHandshakeRequest[1](mechanism="PLAIN"))
        raw.ask(SaslAuthenticateRequest[1](auth_bytes=f"\0{user}\0{PASSWORDS[user]}".encode()))
        return raw.ask(DescribeAclsRequest[2](resource_type_filter=1, resource_name_filter=None, pattern_type_filter=1, principal_filter=None,
                                              host_filter=None, operation=1, permission_type=1)).error_code


def make_topic(server, name: str) -> str:
    admin = admin_as(server)
    results(admin.create_topics([NewTopic(name, 1, 1)]))
    return name


def send_as(server, user: str, topic: str, value: bytes = b"x", **how) -> KafkaError | None:
    """The error with which the record came back, or none."""
    told = []
    producer = Producer({"bootstrap.servers": server.endpoint, "message.timeout.ms": 8000, **login(user, **how)})
    producer.produce(topic, value, on_delivery=lambda error, _: told.append(error))
    producer.flush(PATIENCE_S)
    assert told, "nothing came back"
    return told[0]


def allow(server, who: str, operation, name: str, kind=ResourceType.TOPIC, pattern=ResourcePatternType.LITERAL,
          permission=AclPermissionType.ALLOW) -> AclBinding:
    binding = AclBinding(kind, name, pattern, who, "*", operation, permission)
    admin = admin_as(server)
    results(admin.create_acls([binding]))
    return binding


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_client_logs_in(server, mechanism):
    topic = make_topic(server, f"login-{mechanism}")
    words = [word for key, value in login("admin", mechanism).items() for word in ("-X", f"{key}={value}")]
    kcat(server, *words, "-P", "-t", topic, stdin="from kcat\n")
    python = {"bootstrap_servers": server.endpoint, "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": mechanism,
              "sasl_plain_username": "admin", "sasl_plain_password": PASSWORDS["admin"]}
    producer = KafkaProducer(**python)
    producer.send(topic, b"from kafka-python").get(PATIENCE_S)
    producer.close()
    assert send_as(server, "admin", topic, b"from librdkafka", mechanism=mechanism) is None
    assert kcat(server, *words, "-C", "-t", topic, "-e", "-q").splitlines() == ["from kcat", "from kafka-python", "from librdkafka"]
    consumer = KafkaConsumer(topic, auto_offset_reset="earliest", consumer_timeout_ms=3000, **python)
    assert len(list(consumer)) == 3
    consumer.close()


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("user, password", [("admin", "wrong"), ("nobody", "admin-secret"), ("admin", "Admin-secret")])
def test_wrong_passwords_are_refused(server, mechanism, user, password):
    told = []
    client = AdminClient({"bootstrap.servers": server.endpoint, "error_cb": lambda error: told.append(error.code()), **login(user, mechanism, password)})
    wait_until(lambda: client.poll(0.1) or KafkaError._AUTHENTICATION in told, what="the client's error")


def test_who_does_not_log_in_is_cut_off(server):
    with Raw(server.endpoint) as raw:
        assert raw.api_versions(3).error_code == 0  # this much is for everybody
        raw.start_fetch("any", 0)
        assert raw.is_closed_by_peer()
    for name, code, is_end in (("GSSAPI", 33, True), ("PLAIN", 0, False)):
        with Raw(server.endpoint) as raw:
            told = raw.ask(SaslHandshakeRequest[1](mechanism=name))
            assert told.error_code == code and list(told.mechanisms) == list(MECHANISMS)
            assert not is_end or raw.is_closed_by_peer()
    with Raw(server.endpoint) as raw:
        assert raw.ask(SaslAuthenticateRequest[1](auth_bytes=b"\0admin\0admin-secret")).error_code == 34
    for token in (b"", b"admin", b"\0admin", b"x\0admin\0admin-secret", b"\0admin\0admin-secret\0", b"\xff" * 5000):
        with Raw(server.endpoint) as raw:
            raw.ask(SaslHandshakeRequest[1](mechanism="PLAIN"))
            assert raw.ask(SaslAuthenticateRequest[1](auth_bytes=token)).error_code == 58
            assert raw.is_closed_by_peer()
    with Raw(server.endpoint) as raw:
        raw.send(struct.pack(">i", 1 << 24))  # larger than anybody's who has not logged in
        assert raw.is_closed_by_peer()


def test_the_old_way_of_logging_in(server):
    """After SaslHandshake v0 the exchange's messages have frames and no headers."""
    for password, is_good in ((b"admin-secret", True), (b"wrong", False)):
        with Raw(server.endpoint) as raw:
            assert raw.ask(SaslHandshakeRequest[0](mechanism="PLAIN")).error_code == 0
            raw.send_frame(b"\0admin\0" + password)
            if is_good:
                assert raw.read_frame() == b""
                assert raw.metadata([]).brokers
            else:
                assert raw.is_closed_by_peer()


def test_logging_in_again_must_be_the_same_user(server):
    for user, code in (("admin", 0), ("ann", 58)):
        with Raw(server.endpoint) as raw:
            for name in ("admin", user):
                assert raw.ask(SaslHandshakeRequest[1](mechanism="PLAIN")).error_code == 0
                told = raw.ask(SaslAuthenticateRequest[2](auth_bytes=f"\0{name}\0{PASSWORDS[name]}".encode()))
            assert told.error_code == code
            assert code != 0 or raw.metadata([]).brokers


def test_sessions_end_unless_logged_in_again(launch):
    server = guarded(launch, "short", **{"kafka.sasl.max-reauth": "2s"})
    with Raw(server.endpoint) as raw:
        raw.ask(SaslHandshakeRequest[1](mechanism="PLAIN"))
        told = raw.ask(SaslAuthenticateRequest[2](auth_bytes=b"\0admin\0admin-secret"))
        assert told.error_code == 0 and told.session_lifetime_ms == 2000
        assert raw.is_closed_by_peer()
    # librdkafka logs in again by itself, and never notices.
    errors = []
    producer = Producer({"bootstrap.servers": server.endpoint, "error_cb": errors.append, **login("ann")})
    delivered = []
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline:
        producer.produce("again", b"x", on_delivery=lambda error, _: delivered.append(error))
        producer.flush(PATIENCE_S)
        time.sleep(0.2)
    assert len(delivered) > 10 and not any(delivered) and not errors


def test_access_lists_decide(server):
    topic = make_topic(server, "fleet-ships")
    denied = KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert send_as(server, "ann", topic).code() == denied
    allow(server, "User:ann", AclOperation.WRITE, "fleet-", pattern=ResourcePatternType.PREFIXED)
    assert send_as(server, "ann", topic) is None
    assert send_as(server, "bob", topic).code() == denied

    def read_as(user: str):
        consumer = Consumer({"bootstrap.servers": server.endpoint, "group.id": f"group-{user}", "auto.offset.reset": "earliest", **login(user)})
        try:
            consumer.subscribe([topic])
            message = wait_until(lambda: consumer.poll(1), what="a record or an error")
            return message.error().code() if message.error() else message.value()
        finally:
            consumer.close()
    assert read_as("ann") in (KafkaError.GROUP_AUTHORIZATION_FAILED, denied)
    allow(server, "User:ann", AclOperation.READ, "group-ann", kind=ResourceType.GROUP)
    assert read_as("ann") == denied
    allow(server, "User:*", AclOperation.READ, "*")
    assert read_as("ann") == b"x"
    allow(server, "User:ann", AclOperation.ALL, topic, permission=AclPermissionType.DENY)
    assert send_as(server, "ann", topic).code() in (denied, KafkaError._MSG_TIMED_OUT)
    # Who may not describe a topic does not learn of it.
    ann = admin_as(server, "ann")
    assert topic not in ann.list_topics(timeout=PATIENCE_S).topics
    everything = AclBindingFilter(ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)
    admin = admin_as(server)
    assert len(admin.describe_acls(everything).result(PATIENCE_S)) == 4
    about = AclBindingFilter(ResourceType.TOPIC, topic, ResourcePatternType.MATCH, None, None, AclOperation.ANY, AclPermissionType.ANY)
    assert len(admin.describe_acls(about).result(PATIENCE_S)) == 3
    # Nobody else may look at them, or change them.
    refused = KafkaError.CLUSTER_AUTHORIZATION_FAILED
    mine = AclBinding(ResourceType.TOPIC, "x", ResourcePatternType.LITERAL, "User:ann", "*", AclOperation.ALL, AclPermissionType.ALLOW)
    assert acls_error(server, "ann") == refused
    assert code_of(lambda: results(ann.create_acls([mine]))) == refused
    assert code_of(lambda: results(ann.create_topics([NewTopic("anns", 1, 1)]))) in (refused, denied)
    removed = results(admin.delete_acls([everything]))
    assert sum(len(bindings) for bindings in removed.values()) == 4
    assert admin.describe_acls(everything).result(PATIENCE_S) == []


def test_access_lists_without_sense_are_refused(server):
    for binding in (AclBinding(ResourceType.TOPIC, "x", ResourcePatternType.LITERAL, "ann", "*", AclOperation.READ, AclPermissionType.ALLOW),
                    AclBinding(ResourceType.GROUP, "x", ResourcePatternType.LITERAL, "User:ann", "*", AclOperation.WRITE, AclPermissionType.ALLOW)):
        admin = admin_as(server)
        assert code_of(lambda: results(admin.create_acls([binding]))) == KafkaError.INVALID_REQUEST


def test_without_access_lists_there_are_none(launch):
    server = guarded(launch, "open")
    assert acls_error(server, "admin") == KafkaError.SECURITY_DISABLED
    assert send_as(server, "bob", "anything") is None


def test_users_are_made_and_kept(launch):
    server = guarded(launch, "users")
    admin = admin_as(server)
    for mechanism, number in (("SCRAM-SHA-256", ScramMechanism.SCRAM_SHA_256), ("SCRAM-SHA-512", ScramMechanism.SCRAM_SHA_512)):
        results(admin.alter_user_scram_credentials([UserScramCredentialUpsertion("eve", ScramCredentialInfo(number, 5000), b"apple")]))
        assert send_as(server, "eve", "t", mechanism=mechanism, password="apple") is None
    assert send_as(server, "eve", "t", mechanism="PLAIN", password="apple") is None
    told = results(admin.describe_user_scram_credentials(["eve"]))["eve"]
    assert sorted(info.iterations for info in told.scram_credential_infos) == [5000, 5000]

    server.stop()
    server = launch.keep(Topics(server.folder, server.words))
    assert send_as(server, "eve", "t", password="apple") is None
    admin = admin_as(server)
    results(admin.alter_user_scram_credentials([UserScramCredentialDeletion("eve", ScramMechanism.SCRAM_SHA_256)]))
    assert send_as(server, "eve", "t", mechanism="SCRAM-SHA-512", password="apple") is None
    eve = admin_as(server, "eve", password="apple")
    code_of(lambda: eve.list_topics(timeout=2))
    for bad, code in ((UserScramCredentialDeletion("eve", ScramMechanism.SCRAM_SHA_256), KafkaError.RESOURCE_NOT_FOUND),
                      (UserScramCredentialUpsertion("eve", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 100), b"x"), KafkaError.UNACCEPTABLE_CREDENTIAL),
                      (UserScramCredentialUpsertion("eve", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 20_000), b"x"), KafkaError.UNACCEPTABLE_CREDENTIAL)):
        assert code_of(lambda: results(admin.alter_user_scram_credentials([bad]))) == code


def quota(raw, entity, ops, validate: bool = False):
    entry = AlterClientQuotasRequest.EntryData
    return raw.ask(AlterClientQuotasRequest[1](validate_only=validate, entries=[entry(
        version=1, entity=[entry.EntityData(version=1, entity_type=kind, entity_name=name) for kind, name in entity],
        ops=[entry.OpData(version=1, key=key, value=value or 0.0, remove=value is None) for key, value in ops])])).entries[0]


def quotas(raw, components=(), strict: bool = False):
    part = DescribeClientQuotasRequest.ComponentData
    told = raw.ask(DescribeClientQuotasRequest[1](strict=strict, components=[
        part(version=1, entity_type=kind, match_type=match, match=name) for kind, match, name in components]))
    assert told.error_code == 0, told
    return {tuple((one.entity_type, one.entity_name) for one in entry.entity): {value.key: value.value for value in entry.values} for entry in told.entries}


def test_quotas_are_set_and_told(launch):
    server = launch.keep(Topics(launch.folder / "quotas"))
    with Raw(server.endpoint) as raw:
        ann = [("user", "ann")]
        assert quota(raw, ann, [("producer_byte_rate", 1000.0), ("request_percentage", 50.0)]).error_code == 0
        assert quota(raw, [("client-id", None)], [("consumer_byte_rate", 5.0)]).error_code == 0
        assert quota(raw, ann, [("producer_byte_rate", 9.0)], validate=True).error_code == 0
        both = {(("user", "ann"),): {"producer_byte_rate": 1000.0, "request_percentage": 50.0}, (("client-id", None),): {"consumer_byte_rate": 5.0}}
        assert quotas(raw) == both
        assert list(quotas(raw, [("user", 0, "ann")])) == [(("user", "ann"),)]
        assert list(quotas(raw, [("client-id", 1, None)], strict=True)) == [(("client-id", None),)]
        for entity, ops in ((ann, [("speed", 1.0)]), (ann, [("producer_byte_rate", -1.0)]), ([("ip", "1.2.3.4")], [("producer_byte_rate", 1.0)]),
                            ([], [("producer_byte_rate", 1.0)]), (ann + ann, [("producer_byte_rate", 1.0)])):
            assert quota(raw, entity, ops).error_code == 42
    server.stop()
    server = launch.keep(Topics(server.folder))
    with Raw(server.endpoint) as raw:
        assert quotas(raw) == both
        assert quota(raw, ann, [("producer_byte_rate", None), ("request_percentage", None)]).error_code == 0
        assert list(quotas(raw)) == [(("client-id", None),)]


def test_producers_above_their_quota_are_slowed_down(launch):
    server = launch.keep(Topics(launch.folder / "slow"))
    rate = 200_000
    with Raw(server.endpoint) as raw:
        raw.metadata(["t"], create=True)
        assert quota(raw, [("client-id", "raw")], [("producer_byte_rate", float(rate)), ("consumer_byte_rate", float(rate))]).error_code == 0
        # Both ways: as much as is sent is read again.
        for once in (lambda: raw.produce("t", batch([b"x" * 50_000])), lambda: raw.fetch("t", 0, max_bytes=50_000, partition_max_bytes=50_000)):
            begun = time.monotonic()
            for _ in range(16):
                assert once().error_code == 0
            took_s = time.monotonic() - begun
            # 800 kB: a second's worth at once, the rest at the rate. The upper bound is only against hanging.
            assert 2.5 < took_s < PATIENCE_S


def test_what_can_be_asked_before_and_after(server):
    """Requests about users need the cluster's permission too."""
    with Raw(server.endpoint) as raw:
        raw.ask(SaslHandshakeRequest[1](mechanism="PLAIN"))
        raw.ask(SaslAuthenticateRequest[1](auth_bytes=b"\0ann\0" + PASSWORDS["ann"].encode()))
        assert raw.ask(DescribeUserScramCredentialsRequest[0](users=None)).error_code == 31
        assert quota(raw, [("user", "ann")], [("producer_byte_rate", 1e12)]).error_code == 31
