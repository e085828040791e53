"""etcd's API by gRPC, call by call, without a client's help: what no client ever sends can be sent too.

Uses Debian's python3-grpcio and python3-protobuf (the tests' venv has no packages of the system, so their folder is added last),
and messages of the tests' own (etcd.proto), made by protoc when they are first needed.
"""
import importlib.util
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.append("/usr/lib/python3/dist-packages")
import grpc  # noqa: E402

from node import PATIENCE_S  # noqa: E402


def _messages():
    proto = Path(__file__).with_name("etcd.proto")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["protoc", f"--proto_path={proto.parent}", f"--python_out={folder}", proto.name], check=True)
        spec = importlib.util.spec_from_file_location("keelson_e2e_etcd_pb2", Path(folder) / "etcd_pb2.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


pb = _messages()

# Method: service, request, answer. The names are those of etcd's API.
_UNARY = {
    "Range": ("etcdserverpb.KV", pb.RangeRequest, pb.RangeResponse),
    "Put": ("etcdserverpb.KV", pb.PutRequest, pb.PutResponse),
    "DeleteRange": ("etcdserverpb.KV", pb.DeleteRangeRequest, pb.DeleteRangeResponse),
    "Txn": ("etcdserverpb.KV", pb.TxnRequest, pb.TxnResponse),
    "Compact": ("etcdserverpb.KV", pb.CompactionRequest, pb.Empty),
    "LeaseGrant": ("etcdserverpb.Lease", pb.LeaseGrantRequest, pb.LeaseGrantResponse),
    "LeaseRevoke": ("etcdserverpb.Lease", pb.LeaseId, pb.Empty),
    "LeaseTimeToLive": ("etcdserverpb.Lease", pb.LeaseTimeToLiveRequest, pb.LeaseTimeToLiveResponse),
    "LeaseLeases": ("etcdserverpb.Lease", pb.Empty, pb.LeaseLeasesResponse),
    "MemberList": ("etcdserverpb.Cluster", pb.Empty, pb.MemberListResponse),
    "Status": ("etcdserverpb.Maintenance", pb.Empty, pb.StatusResponse),
    "Alarm": ("etcdserverpb.Maintenance", pb.AlarmRequest, pb.AlarmResponse),
    "Defragment": ("etcdserverpb.Maintenance", pb.Empty, pb.Empty),
    "Hash": ("etcdserverpb.Maintenance", pb.Empty, pb.HashResponse),
    "HashKV": ("etcdserverpb.Maintenance", pb.HashKvRequest, pb.HashKvResponse),
    "MoveLeader": ("etcdserverpb.Maintenance", pb.MoveLeaderRequest, pb.Empty),
    "AuthEnable": ("etcdserverpb.Auth", pb.Empty, pb.Empty),
    "AuthDisable": ("etcdserverpb.Auth", pb.Empty, pb.Empty),
    "Authenticate": ("etcdserverpb.Auth", pb.AuthenticateRequest, pb.AuthenticateResponse),
    "UserAdd": ("etcdserverpb.Auth", pb.UserAddRequest, pb.Empty),
    "UserGet": ("etcdserverpb.Auth", pb.Named, pb.NamesResponse),
    "UserList": ("etcdserverpb.Auth", pb.Empty, pb.NamesResponse),
    "UserDelete": ("etcdserverpb.Auth", pb.Named, pb.Empty),
    "UserChangePassword": ("etcdserverpb.Auth", pb.AuthenticateRequest, pb.Empty),
    "UserGrantRole": ("etcdserverpb.Auth", pb.UserRole, pb.Empty),
    "UserRevokeRole": ("etcdserverpb.Auth", pb.UserRole, pb.Empty),
    "RoleAdd": ("etcdserverpb.Auth", pb.Named, pb.Empty),
    "RoleGet": ("etcdserverpb.Auth", pb.Named, pb.RoleGetResponse),
    "RoleList": ("etcdserverpb.Auth", pb.Empty, pb.NamesResponse),
    "RoleDelete": ("etcdserverpb.Auth", pb.Named, pb.Empty),
    "RoleGrantPermission": ("etcdserverpb.Auth", pb.RoleGrantRequest, pb.Empty),
    "RoleRevokePermission": ("etcdserverpb.Auth", pb.RoleRevokeRequest, pb.Empty),
    "Lock": ("v3lockpb.Lock", pb.LockRequest, pb.LockResponse),
    "Unlock": ("v3lockpb.Lock", pb.UnlockRequest, pb.Empty),
    "Campaign": ("v3electionpb.Election", pb.CampaignRequest, pb.CampaignResponse),
    "Proclaim": ("v3electionpb.Election", pb.ProclaimRequest, pb.Empty),
    "Leader": ("v3electionpb.Election", pb.ElectionName, pb.LeaderResponse),
    "Resign": ("v3electionpb.Election", pb.ResignRequest, pb.Empty),
}


class Refused(Exception):
    """The server's own error: gRPC's status name and the text."""

    def __init__(self, error: grpc.RpcError):
        self.code, self.text = error.code().name, error.details()
        super().__init__(f"{self.code}: {self.text}")


def outcome(call, *arguments, **fields):
    """What the call gives: an answer, or (code, text)."""
    try:
        return call(*arguments, **fields)
    except Refused as why:
        return why.code, why.text


class Api:
    """`api.Put(key=b"k", value=b"v")`, for each method above; a timeout is PATIENCE_S."""

    def __init__(self, address: str, token: str | None = None):
        self.channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", 256 << 20),
                                                               ("grpc.use_local_subchannel_pool", 1)])
        self.token = token

    def metadata(self):
        return [("token", self.token)] if self.token else None

    def __getattr__(self, name):
        service, request, answer = _UNARY[name]
        method = self.channel.unary_unary(f"/{service}/{name}", request.SerializeToString, answer.FromString)

        def call(message=None, timeout_s=PATIENCE_S, **fields):
            try:
                return method(message or request(**fields), timeout=timeout_s, metadata=self.metadata())
            except grpc.RpcError as error:
                raise Refused(error) from None
        self.__dict__[name] = call
        return call

    def start(self, name: str, /, **fields):
        """The call, under way: a grpc future."""
        service, request, answer = _UNARY[name]
        return self.channel.unary_unary(f"/{service}/{name}", request.SerializeToString, answer.FromString).future(
            request(**fields), metadata=self.metadata())

    def watch(self, **create) -> "Watch":
        made = Watch(self)
        if create:
            made.create(**create)
        return made

    def stream(self, path: str, request, answer):
        """One question, many answers (Snapshot, Observe)."""
        return self.channel.unary_stream(path, type(request).SerializeToString, answer.FromString)(request, metadata=self.metadata())

    def keep_alive(self, *leases: int):
        """Each lease is asked for once, on one stream; the answers' times to live."""
        method = self.channel.stream_stream("/etcdserverpb.Lease/LeaseKeepAlive", pb.LeaseId.SerializeToString,
                                            pb.LeaseKeepAliveResponse.FromString)
        try:
            return [answer.ttl for answer in method(iter([pb.LeaseId(id=lease) for lease in leases]), timeout=PATIENCE_S,
                                                    metadata=self.metadata())]
        except grpc.RpcError as error:
            raise Refused(error) from None

    def close(self):
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # What tests need often.
    def value(self, key: bytes, **more):
        found = self.Range(key=key, **more).kvs
        return found[0].value if found else None

    @property
    def revision(self) -> int:
        return self.Range(key=b"\0nothing").header.revision


class Watch:
    """One Watch stream, with as many watches on it as are created. Answers wait in a queue."""

    def __init__(self, api: Api):
        self._requests: queue.Queue = queue.Queue()
        self.answers: queue.Queue = queue.Queue()
        method = api.channel.stream_stream("/etcdserverpb.Watch/Watch", pb.WatchRequest.SerializeToString, pb.WatchResponse.FromString)
        self._call = method(iter(self._requests.get, None), metadata=api.metadata())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        try:
            for answer in self._call:
                self.answers.put(answer)
            self.answers.put(None)
        except grpc.RpcError as error:
            self.answers.put(error)

    def send(self, **request):
        self._requests.put(pb.WatchRequest(**request))

    def create(self, key: bytes, **how):
        self.send(create=pb.WatchCreate(key=key, **how))

    def next(self, timeout_s: float = PATIENCE_S):
        answer = self.answers.get(timeout=timeout_s)
        if isinstance(answer, grpc.RpcError):
            raise Refused(answer)
        return answer

    def created(self):
        answer = self.next()
        assert answer.created, answer
        return answer

    def events(self, count: int, timeout_s: float = PATIENCE_S) -> list:
        """At least so many, from as many answers as it takes. Answers without events (bookmarks) are passed over."""
        found: list = []
        while len(found) < count:
            answer = self.next(timeout_s)
            assert not answer.canceled, answer
            found.extend(answer.events)
        return found

    def close(self):
        self._requests.put(None)
        self._call.cancel()
        self._thread.join(PATIENCE_S)
