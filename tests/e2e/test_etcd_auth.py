"""etcd's Auth service: users, roles, tokens, and what each may touch. Expectations hold for etcd 3.4 (KEELSON_E2E_PEER=etcd)."""
import pytest

from etcd_api import Api, Refused, outcome, pb
from etcd_server import again, coord_server, etcdctl, etcdctl_ok, keelson_only, not_redis
from node import wait_until

pytestmark = not_redis
READ, WRITE, BOTH = pb.Permission.READ, pb.Permission.WRITE, pb.Permission.READWRITE
DENIED = ("PERMISSION_DENIED", "etcdserver: permission denied")
WRONG = ("INVALID_ARGUMENT", "etcdserver: authentication failed, invalid user ID or password")
NO_NAME = ("INVALID_ARGUMENT", "etcdserver: user name is empty")


def grant(api, role: str, kind, key: bytes, range_end: bytes = b""):
    api.RoleGrantPermission(name=role, permission=pb.Permission(type=kind, key=key, range_end=range_end))


def login(server, name: str, password: str) -> Api:
    with Api(server.endpoint) as anyone:
        token = anyone.Authenticate(name=name, password=password).token
    return Api(server.endpoint, token)


@pytest.fixture
def server(launch):
    return coord_server(launch)


@pytest.fixture
def guarded(server):
    """Authentication is on; root/secret, and ann/ann-pw who reads a/ and writes a/w/."""
    with Api(server.endpoint) as api:
        api.Put(key=b"a/1", value=b"x")
        api.Put(key=b"b/1", value=b"x")
        api.UserAdd(name="root", password="secret")
        api.UserAdd(name="ann", password="ann-pw")
        api.RoleAdd(name="readers")
        grant(api, "readers", READ, b"a/", b"a0")
        grant(api, "readers", BOTH, b"a/w/", b"a/w0")
        api.UserGrantRole(user="ann", role="readers")
        api.RoleAdd(name="root")
        api.UserGrantRole(user="root", role="root")
        api.AuthEnable()
    return server


def test_users_and_roles(server):
    with Api(server.endpoint) as api:
        before = api.revision
        assert outcome(api.UserAdd, name="", password="x") == NO_NAME
        api.UserAdd(name="ann", password="1")
        assert outcome(api.UserAdd, name="ann", password="2") == ("FAILED_PRECONDITION", "etcdserver: user name already exists")
        api.UserAdd(name="bob", options=pb.UserOptions(no_password=True))
        assert list(api.UserList().names) == ["ann", "bob"]
        assert outcome(api.UserGet, name="none") == ("FAILED_PRECONDITION", "etcdserver: user name not found")
        assert outcome(api.UserDelete, name="none") == ("FAILED_PRECONDITION", "etcdserver: user name not found")
        assert outcome(api.UserChangePassword, name="none", password="x") == ("FAILED_PRECONDITION", "etcdserver: user name not found")
        api.RoleAdd(name="r")
        api.RoleAdd(name="q")
        assert outcome(api.RoleAdd, name="r") == ("FAILED_PRECONDITION", "etcdserver: role name already exists")
        assert outcome(api.RoleGet, name="none") == ("FAILED_PRECONDITION", "etcdserver: role name not found")
        assert list(api.RoleList().names) == ["q", "r"]
        grant(api, "r", READ, b"k", b"l")
        grant(api, "r", WRITE, b"a")
        grant(api, "r", BOTH, b"a")   # takes the place of the other
        assert [(one.type, one.key, one.range_end) for one in api.RoleGet(name="r").permissions] == [(BOTH, b"a", b""), (READ, b"k", b"l")]
        api.RoleRevokePermission(role="r", key=b"a")
        assert outcome(api.RoleRevokePermission, role="r", key=b"a") == ("FAILED_PRECONDITION", "etcdserver: permission is not granted to the role")
        api.UserGrantRole(user="ann", role="r")
        api.UserGrantRole(user="ann", role="q")
        assert outcome(api.UserGrantRole, user="ann", role="none") == ("FAILED_PRECONDITION", "etcdserver: role name not found")
        assert list(api.UserGet(name="ann").names) == ["q", "r"]
        api.RoleDelete(name="q")
        assert list(api.UserGet(name="ann").names) == ["r"]
        api.UserRevokeRole(user="ann", role="r")
        assert outcome(api.UserRevokeRole, user="ann", role="r") == ("FAILED_PRECONDITION", "etcdserver: role is not granted to the user")
        api.UserDelete(name="bob")
        assert list(api.UserList().names) == ["ann"]
        assert api.revision == before   # users are no keys


def test_what_enabling_needs(server):
    with Api(server.endpoint) as api:
        assert outcome(api.AuthEnable) == ("FAILED_PRECONDITION", "etcdserver: root user does not exist")
        api.UserAdd(name="root", password="secret")
        assert outcome(api.AuthEnable) == ("FAILED_PRECONDITION", "etcdserver: root user does not have root role")
        assert outcome(api.Authenticate, name="root", password="secret") == ("FAILED_PRECONDITION", "etcdserver: authentication is not enabled")
        api.RoleAdd(name="root")
        api.UserGrantRole(user="root", role="root")
        api.AuthEnable()
        assert outcome(api.Range, key=b"a") == NO_NAME
        assert outcome(api.AuthDisable)[0] in ("PERMISSION_DENIED", "INVALID_ARGUMENT")
    with login(server, "root", "secret") as root:
        root.AuthEnable()   # twice is once
        assert outcome(root.UserDelete, name="root") == ("INVALID_ARGUMENT", "etcdserver: invalid auth management")
        root.AuthDisable()
    with Api(server.endpoint) as api:
        api.Put(key=b"a")


def test_tokens(guarded):
    with Api(guarded.endpoint) as anyone:
        assert outcome(anyone.Authenticate, name="ann", password="wrong") == WRONG
        assert outcome(anyone.Authenticate, name="none", password="wrong") == WRONG
        assert outcome(anyone.Put, key=b"a/w/1") == NO_NAME
    with Api(guarded.endpoint, "no such token") as wrong:
        assert outcome(wrong.Range, key=b"a/1") == ("UNAUTHENTICATED", "etcdserver: invalid auth token")
    with login(guarded, "root", "secret") as root:
        assert root.value(b"b/1") == b"x"


def test_logins_hold_nobody_up(guarded):
    """They take their time, all of them; who is logged in does not wait for them."""
    with login(guarded, "root", "secret") as root:
        logins = [root.start("Authenticate", name="ann", password="ann-pw") for _ in range(100)]
        root.Put(key=b"meanwhile")
        assert not all(one.done() for one in logins)
        assert all(one.result(timeout=60).token for one in logins)


def test_what_a_user_may(guarded):
    with login(guarded, "ann", "ann-pw") as ann:
        assert ann.value(b"a/1") == b"x"
        assert ann.Range(key=b"a/", range_end=b"a0").count == 1
        assert outcome(ann.Range, key=b"b/1") == DENIED
        assert outcome(ann.Range, key=b"a/", range_end=b"b") == DENIED
        assert outcome(ann.Range, key=b"\0", range_end=b"\0") == DENIED
        assert outcome(ann.Put, key=b"a/1") == DENIED
        ann.Put(key=b"a/w/1", value=b"y")
        assert ann.Put(key=b"a/w/1", value=b"y", prev_kv=True).prev_kv.value == b"y"
        ann.DeleteRange(key=b"a/w/", range_end=b"a/w0")
        assert outcome(ann.DeleteRange, key=b"a/", range_end=b"a0") == DENIED
        for request in ({"success": [pb.RequestOp(put=pb.PutRequest(key=b"b/1"))]}, {"failure": [pb.RequestOp(range=pb.RangeRequest(key=b"b/1"))]},
                        {"compare": [pb.Compare(key=b"b/1", target=pb.Compare.VERSION)]}):
            assert outcome(ann.Txn, **request) == DENIED
        for call, fields in ((ann.UserAdd, {"name": "eve", "password": "x"}), (ann.RoleAdd, {"name": "x"}), (ann.UserList, {}), (ann.AuthDisable, {}),
                             (ann.UserGrantRole, {"user": "ann", "role": "root"}), (ann.Defragment, {})):
            assert outcome(call, **fields)[1].endswith("permission denied"), call   # etcd's words for Defragment are its auth package's
        assert list(ann.UserGet(name="ann").names) == ["readers"]
        assert outcome(ann.UserGet, name="root") == DENIED


@keelson_only
def test_nested_txns_are_no_way_around(guarded):
    """etcd 3.4 does not look into them: there, whoever may do anything can do everything."""
    with login(guarded, "ann", "ann-pw") as ann:
        inner = pb.RequestOp(txn=pb.TxnRequest(success=[pb.RequestOp(put=pb.PutRequest(key=b"b/1"))]))
        assert outcome(ann.Txn, success=[inner]) == DENIED
        assert outcome(ann.Txn, success=[pb.RequestOp(txn=pb.TxnRequest(failure=[inner]))]) == DENIED


def test_watches_need_permission(guarded):
    with login(guarded, "ann", "ann-pw") as ann:
        watch = ann.watch(key=b"b/1")
        answer = watch.next()
        assert answer.canceled and answer.created and "permission denied" in answer.cancel_reason
        watch.create(key=b"a/", range_end=b"a0")
        assert not watch.created().canceled
        ann.Put(key=b"a/w/1", value=b"z")
        assert watch.events(1)[0].kv.value == b"z"
        watch.close()


def test_leases_of_others(guarded):
    with login(guarded, "root", "secret") as root, login(guarded, "ann", "ann-pw") as ann:
        lease = root.LeaseGrant(ttl=100).id
        root.Put(key=b"b/leased", lease=lease)
        assert outcome(ann.LeaseRevoke, id=lease) == DENIED
        assert outcome(ann.Put, key=b"a/w/1", lease=lease) == DENIED
        own = ann.LeaseGrant(ttl=100).id
        ann.Put(key=b"a/w/2", lease=own)
        ann.LeaseRevoke(id=own)


def test_changes_reach_sessions(guarded):
    with login(guarded, "root", "secret") as root, login(guarded, "ann", "ann-pw") as ann:
        root.Put(key=b"b/1", value=b"for ann")
        grant(root, "readers", READ, b"b/1")
        with login(guarded, "ann", "ann-pw") as again_ann:
            assert again_ann.value(b"b/1") == b"for ann"
        root.UserChangePassword(name="ann", password="new")
        with Api(guarded.endpoint) as anyone:
            assert outcome(anyone.Authenticate, name="ann", password="ann-pw") == WRONG
        login(guarded, "ann", "new").close()
        root.UserDelete(name="ann")
        with pytest.raises(Refused):
            ann.Range(key=b"a/1")


def test_it_outlives_a_restart(launch, guarded):
    guarded.kill()
    server = again(launch, guarded) if hasattr(guarded, "etcd_port") else None
    if server is None:   # etcd is waited for by a request that needs a user then
        from etcd_server import Etcd
        wait = Etcd.wait_ready
        Etcd.wait_ready = lambda self, limit_s=30: None
        try:
            server = again(launch, guarded)
        finally:
            Etcd.wait_ready = wait

    def ready():
        ran = etcdctl(server, "--user", "ann:ann-pw", "get", "a/1")
        return ran.code == 0 and ran.lines == ["a/1", "x"]
    wait_until(ready, what="the server with its users")
    assert etcdctl(server, "get", "a/1").code != 0
    assert "permission denied" in etcdctl(server, "--user", "ann:ann-pw", "get", "b/1").err
    assert etcdctl_ok(server, "--user", "root:secret", "user", "list") == ["ann", "root"]
