// The current Kafka client for Java, unmodified. Run by test_kafka_clients.py as `java KafkaSuite ENDPOINT`.

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class KafkaSuite {
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static String endpoint;
  private static int nodes = 1;
  private static Admin admin;

  private interface Step {
    void run() throws Exception;
  }

  private static void expect(boolean holds, Object what) {
    if (!holds) throw new AssertionError(String.valueOf(what));
  }

  private static void fails(Class<? extends Throwable> how, Step step) throws Exception {
    try {
      step.run();
    } catch (ExecutionException error) {
      expect(how.isInstance(error.getCause()), error);
      return;
    } catch (RuntimeException error) {
      expect(how.isInstance(error), error);
      return;
    }
    throw new AssertionError("not refused: " + how);
  }

  private static Map<String, Object> settings(Map<String, Object> more) {
    Map<String, Object> all = new HashMap<>(more);
    all.put("bootstrap.servers", endpoint);
    return all;
  }

  private static KafkaProducer<String, String> producer(Map<String, Object> more) {
    return new KafkaProducer<>(settings(more), new StringSerializer(), new StringSerializer());
  }

  private static KafkaConsumer<String, String> consumer(Map<String, Object> more) {
    Map<String, Object> all = settings(more);
    all.putIfAbsent(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
  }

  private static List<ConsumerRecord<String, String>> read(KafkaConsumer<String, String> consumer, int count) {
    List<ConsumerRecord<String, String>> got = new ArrayList<>();
    poll(consumer, got, () -> got.size() >= count);
    expect(got.size() == count, got);
    return got;
  }

  private static void poll(KafkaConsumer<String, String> consumer, List<ConsumerRecord<String, String>> got, BooleanSupplier enough) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (!enough.getAsBoolean()) {
      expect(System.nanoTime() < deadline, "only " + got.size() + " records came");
      for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(50))) got.add(record);
    }
  }

  private static List<String> values(String topic, int count, Map<String, Object> more) {
    Map<String, Object> all = new HashMap<>(more);
    all.putIfAbsent(ConsumerConfig.GROUP_ID_CONFIG, "java-read-" + topic);
    try (KafkaConsumer<String, String> consumer = consumer(all)) {
      consumer.subscribe(List.of(topic));
      return read(consumer, count).stream().map(ConsumerRecord::value).toList();
    }
  }

  private static void topic(String name, int partitions) throws Exception {
    admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get();
  }

  private static void admin() throws Exception {
    expect(admin.describeCluster().nodes().get().size() == nodes, "every node");
    expect(admin.describeCluster().nodes().get().contains(admin.describeCluster().controller().get()), "one of which controls");
    expect(!admin.describeCluster().clusterId().get().isEmpty(), "the cluster has an id");
    admin.createTopics(List.of(new NewTopic("java", 2, (short) 1).configs(Map.of("retention.ms", "3600000")))).all().get();
    fails(TopicExistsException.class, () -> topic("java", 1));
    fails(InvalidTopicException.class, () -> topic("no/name", 1));
    admin.createPartitions(Map.of("java", NewPartitions.increaseTo(3))).all().get();
    expect(admin.describeTopics(List.of("java")).allTopicNames().get().get("java").partitions().size() == 3, "three partitions");
    expect(!admin.describeTopics(List.of("java")).allTopicNames().get().get("java").topicId().toString().isEmpty(), "a topic id");
    fails(UnknownTopicOrPartitionException.class, () -> admin.describeTopics(List.of("java-none")).allTopicNames().get());
    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, "java");
    expect(admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms").value().equals("3600000"), "retention");
    admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND),
                                                           new AlterConfigOp(new ConfigEntry("retention.ms", ""), AlterConfigOp.OpType.DELETE)))).all().get();
    var after = admin.describeConfigs(List.of(resource)).all().get().get(resource);
    expect(Set.of(after.get("cleanup.policy").value().split(",")).equals(Set.of("delete", "compact")), after.get("cleanup.policy"));
    expect(after.get("retention.ms").isDefault(), after.get("retention.ms"));
    expect(admin.listTopics().names().get().contains("java"), "listed");
    ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
    expect(admin.describeConfigs(List.of(broker)).all().get().get(broker).get("message.max.bytes") != null, "the broker's settings");
    expect(admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).size() == 1, "one folder");
  }

  private static void records() throws Exception {
    topic("java-records", 1);
    try (KafkaProducer<String, String> producer = producer(Map.of())) {
      ProducerRecord<String, String> record = new ProducerRecord<>("java-records", 0, 1_700_000_000_000L, "key", "value",
          List.of(new RecordHeader("kind", "first".getBytes(StandardCharsets.UTF_8)), new RecordHeader("none", null)));
      var told = producer.send(record).get();
      expect(told.offset() == 0 && told.timestamp() == 1_700_000_000_000L, told);
      expect(producer.send(new ProducerRecord<>("java-records", null, "no key")).get().offset() == 1, "the second");
    }
    try (KafkaConsumer<String, String> consumer = consumer(Map.of())) {
      TopicPartition part = new TopicPartition("java-records", 0);
      consumer.assign(List.of(part));
      consumer.seekToBeginning(List.of(part));
      List<ConsumerRecord<String, String>> got = read(consumer, 2);
      expect(got.get(0).key().equals("key") && got.get(0).timestamp() == 1_700_000_000_000L, got);
      expect(new String(got.get(0).headers().lastHeader("kind").value(), StandardCharsets.UTF_8).equals("first"), got);
      expect(got.get(0).headers().lastHeader("none").value() == null && got.get(1).key() == null, got);
      expect(consumer.endOffsets(List.of(part)).get(part) == 2 && consumer.beginningOffsets(List.of(part)).get(part) == 0, "ends");
      expect(consumer.offsetsForTimes(Map.of(part, 1_700_000_000_001L)).get(part).offset() == 1, "by time");
      expect(admin.listOffsets(Map.of(part, OffsetSpec.maxTimestamp())).all().get().get(part).offset() == 1, "the youngest");
      admin.deleteRecords(Map.of(part, RecordsToDelete.beforeOffset(1))).all().get();
      expect(consumer.beginningOffsets(List.of(part)).get(part) == 1, "one is gone");
    }
    try (KafkaProducer<String, String> producer = producer(Map.of(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, 4 << 20))) {
      fails(RecordTooLargeException.class, () -> producer.send(new ProducerRecord<>("java-records", "x".repeat(2 << 20))).get());
    }
  }

  private static void compressions() throws Exception {
    topic("java-packed", 1);
    int count = 0;
    for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
      try (KafkaProducer<String, String> producer = producer(Map.of(ProducerConfig.COMPRESSION_TYPE_CONFIG, codec, ProducerConfig.LINGER_MS_CONFIG, 50))) {
        for (int i = 0; i < 100; i++) producer.send(new ProducerRecord<>("java-packed", codec, codec + "x".repeat(100) + i));
      }
      count += 100;
    }
    List<String> got = values("java-packed", count, Map.of());
    expect(got.get(250).equals("snappy" + "x".repeat(100) + "50"), got.get(250));
  }

  private static void transactions() throws Exception {
    topic("java-tx", 2);
    topic("java-in", 1);
    try (KafkaProducer<String, String> plain = producer(Map.of())) {
      for (int i = 0; i < 5; i++) plain.send(new ProducerRecord<>("java-in", "in" + i)).get();
    }
    Map<String, Object> group = Map.of(ConsumerConfig.GROUP_ID_CONFIG, "java-eos", ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    try (KafkaProducer<String, String> producer = producer(Map.of(ProducerConfig.TRANSACTIONAL_ID_CONFIG, "java-tx-id"));
         KafkaConsumer<String, String> in = consumer(group)) {
      producer.initTransactions();
      producer.beginTransaction();
      producer.send(new ProducerRecord<>("java-tx", 0, null, "aborted"));
      producer.flush();
      producer.abortTransaction();
      in.subscribe(List.of("java-in"));
      producer.beginTransaction();
      for (ConsumerRecord<String, String> record : read(in, 5)) producer.send(new ProducerRecord<>("java-tx", (int) record.offset() % 2, null, record.value()));
      producer.sendOffsetsToTransaction(Map.of(new TopicPartition("java-in", 0), new OffsetAndMetadata(5, "done")), in.groupMetadata());
      producer.commitTransaction();
    }
    expect(new TreeSet<>(values("java-tx", 5, Map.of(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed"))).equals(
        new TreeSet<>(Set.of("in0", "in1", "in2", "in3", "in4"))), "what was committed");
    var offsets = admin.listConsumerGroupOffsets("java-eos").partitionsToOffsetAndMetadata().get().get(new TopicPartition("java-in", 0));
    expect(offsets.offset() == 5 && offsets.metadata().equals("done"), offsets);
    try (KafkaProducer<String, String> old = producer(Map.of(ProducerConfig.TRANSACTIONAL_ID_CONFIG, "java-zombie"));
         KafkaProducer<String, String> fresh = producer(Map.of(ProducerConfig.TRANSACTIONAL_ID_CONFIG, "java-zombie"))) {
      old.initTransactions();
      old.beginTransaction();
      old.send(new ProducerRecord<>("java-tx", 0, null, "zombie")).get();
      fresh.initTransactions();
      fails(ProducerFencedException.class, old::commitTransaction);
      fresh.beginTransaction();
      fresh.commitTransaction();
    }
    expect(admin.listTransactions().all().get().stream().anyMatch(one -> one.transactionalId().equals("java-tx-id")), "listed");
  }

  private static void groups(String name, Map<String, Object> how) throws Exception {
    topic("java-" + name, 4);
    Map<String, Object> settings = new HashMap<>(how);
    settings.put(ConsumerConfig.GROUP_ID_CONFIG, "java-" + name);
    List<Set<Integer>> mine = List.of(new HashSet<>(), new HashSet<>());
    List<ConsumerRecord<String, String>> got = new ArrayList<>();
    KafkaConsumer<String, String> first = subscribed(settings, "java-" + name, mine.get(0));
    poll(first, got, () -> mine.get(0).size() == 4);
    KafkaConsumer<String, String> second = subscribed(settings, "java-" + name, mine.get(1));
    pollBoth(first, second, got, () -> mine.get(0).size() == 2 && mine.get(1).size() == 2);
    try (KafkaProducer<String, String> producer = producer(Map.of())) {
      for (int i = 0; i < 20; i++) producer.send(new ProducerRecord<>("java-" + name, i % 4, null, "v" + i)).get();
    }
    pollBoth(first, second, got, () -> got.size() == 20);
    first.close();
    poll(second, got, () -> mine.get(1).size() == 4);
    var offsets = admin.listConsumerGroupOffsets("java-" + name).partitionsToOffsetAndMetadata().get();
    expect(offsets.size() >= 2, offsets);
    second.close();
  }

  private static KafkaConsumer<String, String> subscribed(Map<String, Object> settings, String topic, Set<Integer> mine) {
    KafkaConsumer<String, String> made = consumer(settings);
    made.subscribe(List.of(topic), new ConsumerRebalanceListener() {
      @Override
      public void onPartitionsRevoked(Collection<TopicPartition> parts) {
        for (TopicPartition part : parts) mine.remove(part.partition());
      }

      @Override
      public void onPartitionsAssigned(Collection<TopicPartition> parts) {
        for (TopicPartition part : parts) mine.add(part.partition());
      }
    });
    return made;
  }

  private static void pollBoth(KafkaConsumer<String, String> first, KafkaConsumer<String, String> second, List<ConsumerRecord<String, String>> got,
                               BooleanSupplier enough) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (!enough.getAsBoolean()) {
      expect(System.nanoTime() < deadline, "the group did not settle");
      for (ConsumerRecord<String, String> record : first.poll(Duration.ofMillis(20))) got.add(record);
      for (ConsumerRecord<String, String> record : second.poll(Duration.ofMillis(20))) got.add(record);
    }
  }

  private static void deletion() throws Exception {
    admin.deleteConsumerGroups(List.of("java-read-java-packed")).all().get();
    admin.deleteTopics(List.of("java")).all().get();
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (admin.listTopics().names().get().contains("java")) expect(System.nanoTime() < deadline, "it stays");
  }

  public static void main(String[] arguments) throws Exception {
    endpoint = arguments[0];
    if (arguments.length > 1) nodes = Integer.parseInt(arguments[1]);
    admin = Admin.create(settings(Map.of()));
    Map<String, Object> eager = Map.of(ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG, "org.apache.kafka.clients.consumer.RangeAssignor",
                                       ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 200, ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 6000);
    Map<String, Object> cooperative = Map.of(ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG, "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
                                             ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 200, ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 6000);
    Map<String, Step> steps = new java.util.LinkedHashMap<>();
    steps.put("admin", KafkaSuite::admin);
    steps.put("records", KafkaSuite::records);
    steps.put("compressions", KafkaSuite::compressions);
    steps.put("transactions", KafkaSuite::transactions);
    steps.put("groups_eager", () -> groups("eager", eager));
    steps.put("groups_cooperative", () -> groups("cooperative", cooperative));
    steps.put("groups_of_the_server", () -> groups("server", Map.of(ConsumerConfig.GROUP_PROTOCOL_CONFIG, "consumer")));
    steps.put("deletion", KafkaSuite::deletion);
    boolean failed = false;
    for (Map.Entry<String, Step> step : steps.entrySet()) {
      try {
        step.getValue().run();
        System.out.println("ok " + step.getKey());
      } catch (Throwable error) {
        failed = true;
        System.out.println("not ok " + step.getKey() + ": " + error);
        error.printStackTrace(System.out);
      }
    }
    admin.close();
    System.exit(failed ? 1 : 0);
  }
}
