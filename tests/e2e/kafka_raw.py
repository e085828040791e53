"""Kafka's protocol by hand, for what no client would send: any request at any version, batches bent at will, raw bytes.

Requests and answers are kafka-python's classes (kafka.protocol), written from the specification by others: so our codec is judged by one
that is not ours. Record batches are built here, byte by byte (facts: KIP-98 for v2, KIP-31/32 for the older formats).
"""
import io
import socket
import struct
import zlib

from kafka.protocol.metadata import ApiVersionsRequest, FindCoordinatorRequest, MetadataRequest
from kafka.protocol.consumer import FetchRequest, ListOffsetsRequest
from kafka.protocol.producer import InitProducerIdRequest, ProduceRequest

from node import wait_until

TIMEOUT_S = 60
_CRC32C = []
for _byte in range(256):
    _crc = _byte
    for _ in range(8):
        _crc = (_crc >> 1) ^ (0x82F63B78 if _crc & 1 else 0)
    _CRC32C.append(_crc)


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC32C[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def varint(value: int) -> bytes:
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while True:
        if value < 0x80:
            return bytes(out + bytes([value]))
        out.append(value & 0x7F | 0x80)
        value >>= 7


def record(value: bytes | None, key: bytes | None = None, headers=(), offset_delta: int = 0, time_delta: int = 0) -> bytes:
    def field(data):
        return varint(-1) if data is None else varint(len(data)) + data
    body = b"\0" + varint(time_delta) + varint(offset_delta) + field(key) + field(value) + varint(len(headers))
    for name, data in headers:
        body += field(name) + field(data)
    return varint(len(body)) + body


def batch(values, *, magic: int = 2, base_offset: int = 0, crc: int | None = None, attributes: int = 0, length: int | None = None,
          count: int | None = None, last_delta: int | None = None, producer=(-1, -1, -1), time_ms: int = 1_700_000_000_000,
          records: bytes | None = None, max_time_ms: int | None = None, leader_epoch: int = -1) -> bytes:
    """A batch of format 2. `values`: bytes, or tuples (key, value). Every field may be told to lie."""
    if records is None:
        pairs = [one if isinstance(one, tuple) else (None, one) for one in values]
        records = b"".join(record(value, key, offset_delta=i) for i, (key, value) in enumerate(pairs))
    number = len(values)
    body = struct.pack(">hiqqqhii", attributes, number - 1 if last_delta is None else last_delta, time_ms,
                       time_ms if max_time_ms is None else max_time_ms, *producer, number if count is None else count) + records
    head = struct.pack(">ibI", leader_epoch, magic, crc32c(body) if crc is None else crc)
    return struct.pack(">qi", base_offset, len(head) + len(body) if length is None else length) + head + body


def old_message(value: bytes | None, key: bytes | None = None, magic: int = 1, offset: int = 0, attributes: int = 0, time_ms: int = 1_700_000_000_000,
                crc: int | None = None) -> bytes:
    """A message of format 0 or 1, in its log entry."""
    def field(data):
        return struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data
    body = struct.pack(">bb", magic, attributes) + (struct.pack(">q", time_ms) if magic else b"") + field(key) + field(value)
    message = struct.pack(">I", zlib.crc32(body) if crc is None else crc) + body
    return struct.pack(">qi", offset, len(message)) + message


def decode(request, frame: bytes, number: int):
    """The answer to a request; not a byte may be left over."""
    answer_type, version = request.header.get_response_class(), request.API_VERSION
    data = io.BytesIO(frame)
    head = answer_type.parse_header(data, version=version)
    assert head.correlation_id == number, (head, number)
    flexible = answer_type.flexible_version_q(version)
    read = answer_type._struct.compiled_decode_from(version, compact=flexible, tagged=flexible, data_class=answer_type[None])
    answer, end = read(memoryview(frame), data.tell())
    assert end == len(frame), f"{len(frame) - end} bytes too many in {answer}"
    return answer


def head(key: int, version: int, tagged: bool = False, number: int = 7) -> bytes:
    """Of a request; `tagged`: of a version that is flexible."""
    return struct.pack(">hhih3s", key, version, number, 3, b"raw") + (b"\0" if tagged else b"")


class Raw:
    """A connection of its own. Any of its calls fails with ConnectionError when the server hangs up."""

    def __init__(self, endpoint: str, timeout_s: float = TIMEOUT_S):
        host, port = endpoint.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=timeout_s)
        self.number = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_frame(self, body: bytes) -> None:
        self.send(struct.pack(">i", len(body)) + body)

    def read(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            got = self.socket.recv(min(1 << 20, count - len(data)))
            if not got:
                raise ConnectionError("the server hung up")
            data += got
        return bytes(data)

    def read_frame(self) -> bytes:
        return self.read(struct.unpack(">i", self.read(4))[0])

    def start(self, request) -> tuple:
        """Sends a request; finish() takes what start() gave, in the order of the starts."""
        self.number += 1
        request.with_header(correlation_id=self.number, client_id="raw")
        self.send(bytes(request.encode(framed=True, header=True)))
        return request, self.number

    def finish(self, started):
        request, number = started
        return decode(request, self.read_frame(), number)

    def ask(self, request):
        return self.finish(self.start(request))

    def is_closed_by_peer(self) -> bool:
        """Waits for the server to hang up."""
        try:
            while self.socket.recv(1 << 16):
                pass
            return True
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    # What tests ask for again and again.

    def api_versions(self, version: int = 0):
        request = ApiVersionsRequest[version]
        return self.ask(request() if version < 3 else request(client_software_name="raw", client_software_version="1"))

    def metadata(self, topics=None, version: int = 4, create: bool = False):
        topic = MetadataRequest.MetadataRequestTopic
        wanted = [topic(version=version, name=name) for name in topics] if topics is not None else ([] if version == 0 else None)
        more = {"allow_auto_topic_creation": create} if version >= 4 else {}
        return self.ask(MetadataRequest[version](topics=wanted, **more))

    def coordinator(self, key: str, kind: int = 0, version: int = 2):
        return self.ask(FindCoordinatorRequest[version](key=key, key_type=kind))

    def producer_id(self) -> int:
        """Of a new idempotent producer, of epoch 0."""
        request = InitProducerIdRequest[4](transactional_id=None, transaction_timeout_ms=60_000, producer_id=-1, producer_epoch=-1)
        return wait_until(lambda: (lambda told: told if told.error_code != 14 else None)(self.ask(request)), what="a producer id").producer_id

    def produce(self, topic: str, records: bytes | None, partition: int = 0, version: int = 7, acks: int = -1, transactional_id=None, timeout_ms: int = 30_000):
        """The answer for the partition; None with acks=0."""
        data = ProduceRequest.TopicProduceData
        started = self.start(ProduceRequest[version](transactional_id=transactional_id, acks=acks, timeout_ms=timeout_ms, topic_data=[
            data(version=version, name=topic, partition_data=[data.PartitionProduceData(version=version, index=partition, records=records)])]))
        return self.finish(started).responses[0].partition_responses[0] if acks else None

    def fetch(self, topic: str, offset: int, partition: int = 0, version: int = 11, max_wait_ms: int = 0, min_bytes: int = 1, max_bytes: int = 1 << 26,
              partition_max_bytes: int = 1 << 26, committed: bool = False):
        """The answer for the partition; `records` holds the bytes."""
        return self.finish(self.start_fetch(topic, offset, partition, version, max_wait_ms, min_bytes, max_bytes, partition_max_bytes, committed)) \
            .responses[0].partitions[0]

    def start_fetch(self, topic, offset, partition=0, version=11, max_wait_ms=0, min_bytes=1, max_bytes=1 << 26, partition_max_bytes=1 << 26, committed=False):
        one = FetchRequest.FetchTopic
        return self.start(FetchRequest[version](
            replica_id=-1, max_wait_ms=max_wait_ms, min_bytes=min_bytes, max_bytes=max_bytes,
            isolation_level=1 if committed else 0, session_id=0, session_epoch=-1,
            topics=[one(version=version, topic=topic, partitions=[one.FetchPartition(
                version=version, partition=partition, current_leader_epoch=-1, fetch_offset=offset, last_fetched_epoch=-1, log_start_offset=-1,
                partition_max_bytes=partition_max_bytes)])], forgotten_topics_data=[], rack_id=""))

    def offset_for(self, topic: str, time: int, partition: int = 0, version: int = 5, committed: bool = False):
        """ListOffsets: -1 latest, -2 earliest, else a time in ms."""
        one = ListOffsetsRequest.ListOffsetsTopic
        return self.ask(ListOffsetsRequest[version](
            replica_id=-1, isolation_level=1 if committed else 0, topics=[one(version=version, name=topic, partitions=[
                one.ListOffsetsPartition(version=version, partition_index=partition, current_leader_epoch=-1, timestamp=time)])])) \
            .topics[0].partitions[0]
