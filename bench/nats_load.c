/* What bench/topic.py asks of NATS JetStream: `nats_load PORT publish|pull COUNT BYTES` on the stream "bench" (kept in files). Prints seconds.
 * Publishing is asynchronous, with as many acknowledgements under way as librdkafka has messages; pulling takes 1,000 at a time. */
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void check(natsStatus status, const char *what) {
  if (status == NATS_OK) return;
  fprintf(stderr, "nats_load: %s: %s\n", what, natsStatus_GetText(status));
  exit(1);
}

static double now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void publish(jsCtx *js, long count, long bytes) {
  char *data = calloc(1, (size_t)bytes);
  for (long i = 0; i < count; i++) check(js_PublishAsync(js, "bench", data, (int)bytes, NULL), "publish");
  jsPubOptions options;
  jsPubOptions_Init(&options);
  options.MaxWait = 120000;
  check(js_PublishAsyncComplete(js, &options), "acknowledgements");
  free(data);
}

static void pull(jsCtx *js, long count) {
  natsSubscription *subscription = NULL;
  jsSubOptions options;
  jsSubOptions_Init(&options);
  options.Config.AckPolicy = js_AckNone;
  check(js_PullSubscribe(&subscription, js, "bench", NULL, NULL, &options, NULL), "subscribe");
  for (long got = 0; got < count;) {
    natsMsgList list = {0};
    check(natsSubscription_Fetch(&list, subscription, 1000, 10000, NULL), "fetch");
    got += list.Count;
    natsMsgList_Destroy(&list);
  }
  natsSubscription_Destroy(subscription);
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  char url[64];
  snprintf(url, sizeof(url), "nats://127.0.0.1:%s", argv[1]);
  natsConnection *connection = NULL;
  jsCtx *js = NULL;
  jsOptions options;
  jsOptions_Init(&options);
  options.PublishAsync.MaxPending = 100000;
  check(natsConnection_ConnectTo(&connection, url), "connect");
  check(natsConnection_JetStream(&js, connection, &options), "JetStream");
  jsStreamConfig stream;
  jsStreamConfig_Init(&stream);
  stream.Name = "bench";
  stream.Subjects = (const char *[]){"bench"};
  stream.SubjectsLen = 1;
  stream.Storage = js_FileStorage;
  const natsStatus added = js_AddStream(NULL, js, &stream, NULL, NULL);
  if (added != NATS_OK && strcmp(argv[2], "publish") == 0) check(added, "stream");
  const double began = now_s();
  const long count = atol(argv[3]), bytes = atol(argv[4]);
  if (strcmp(argv[2], "publish") == 0) {
    publish(js, count, bytes);
  } else {
    pull(js, count);
  }
  printf("%.6f\n", now_s() - began);
  return 0;
}
