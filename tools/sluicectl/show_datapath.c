/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * show verdicts, show workers, show datapath: what the data plane is and does.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "answer.h"
#include "client.h"
#include "table.h"

enum { MOVING_MS = 1000 }; /* --moving looks twice, this far apart */

static enum ctl_exit get_verdicts(const struct ctl_options *options, json_t **ret_answer)
{
	return client_get(options, "/v1/verdicts", ret_answer);
}

static int64_t packets_of(const json_t *answer, const char *verdict)
{
	const json_t *entry;
	size_t index;

	json_array_foreach(json_object_get(answer, "verdicts"), index, entry)
		if (strcmp(answer_text(entry, "verdict"), verdict) == 0)
			return answer_number(entry, "packets");
	return 0;
}

/* Puts "per_second" into every entry of `after`, and drops those that stood still. */
static void keep_moving(const json_t *before, json_t *after)
{
	const int64_t ms = answer_number(after, "now_ms") - answer_number(before, "now_ms");
	json_t *verdicts = json_object_get(after, "verdicts");

	for (size_t i = json_array_size(verdicts); i-- > 0;) {
		json_t *entry = json_array_get(verdicts, i);
		const int64_t packets = answer_number(entry, "packets") - packets_of(before, answer_text(entry, "verdict"));

		if (packets > 0 && ms > 0)
			json_object_set_new(entry, "per_second", json_integer(packets * 1000 / ms));
		else
			json_array_remove(verdicts, i);
	}
}

static enum ctl_exit get_moving(const struct ctl_options *options, json_t **ret_answer)
{
	const struct timespec pause = {.tv_sec = MOVING_MS / 1000};
	json_t *before = NULL;
	enum ctl_exit result = get_verdicts(options, &before);

	if (result != CTL_DONE)
		return result;
	nanosleep(&pause, NULL);
	result = get_verdicts(options, ret_answer);
	if (result == CTL_DONE)
		keep_moving(before, *ret_answer);
	json_decref(before);
	return result;
}

enum ctl_exit ctl_show_verdicts(const struct ctl_options *options, char **arguments)
{
	static const struct table_column all[] = {{"VERDICT", false}, {"PACKETS", true}, {NULL, false}};
	static const struct table_column moving[] = {
		{"VERDICT", false}, {"PACKETS/S", true}, {"PACKETS", true}, {NULL, false}};
	json_t *answer = NULL;
	enum ctl_exit result = options->moving ? get_moving(options, &answer) : get_verdicts(options, &answer);
	const json_t *entry;
	struct table *table;
	size_t index;

	(void)arguments;
	if (result != CTL_DONE)
		return result;
	if (options->json) {
		client_print(answer);
		json_decref(answer);
		return CTL_DONE;
	}
	table = table_create(options->moving ? moving : all);
	json_array_foreach(json_object_get(answer, "verdicts"), index, entry) {
		table_text(table, answer_text(entry, "verdict"));
		if (options->moving)
			table_number(table, answer_number(entry, "per_second"));
		table_number(table, answer_number(entry, "packets"));
	}
	table_print(table);
	json_decref(answer);
	return CTL_DONE;
}

enum ctl_exit ctl_show_workers(const struct ctl_options *options, char **arguments)
{
	static const struct table_column columns[] = {
		{"WORKER", true}, {"CPU", true},     {"STATE", false},  {"BUSY%", true},     {"RECEIVED", true},
		{"SENT", true},   {"MISSED", true},  {"NO-MBUF", true}, {"TX-FULL", true}, {"GENERATION", true},
		{NULL, false},
	};
	static const char *const counters[] = {"rx_packets", "tx_packets", "missed", "no_mbuf", "tx_full", "generation"};
	json_t *answer = NULL;
	enum ctl_exit result = client_show(options, "/v1/workers", &answer);
	const json_t *worker;
	struct table *table;
	size_t index;

	(void)arguments;
	if (answer == NULL)
		return result;
	table = table_create(columns);
	json_array_foreach(json_object_get(answer, "workers"), index, worker) {
		table_number(table, answer_number(worker, "worker"));
		table_number(table, answer_number(worker, "cpu"));
		table_text(table, answer_text(worker, "state"));
		table_format(table, "%.1f", answer_real(worker, "busy_percent"));
		for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
			table_number(table, answer_number(worker, counters[i]));
	}
	table_print(table);
	json_decref(answer);
	return CTL_DONE;
}

static void print_age(const char *title, const json_t *age_ms)
{
	if (json_is_integer(age_ms))
		printf("%-17s%.1f s ago\n", title, (double)json_integer_value(age_ms) / 1000);
	else
		printf("%-17snever\n", title);
}

/* What must be equal on two balancers is on lines of its own: key and tables. */
static void print_workers(const json_t *answer, bool attached)
{
	const int64_t running = answer_number(answer, "workers"), configured = answer_number(answer, "workers_configured");

	printf("%-17s%" PRId64 " of %" PRId64 " make progress", "workers", answer_number(answer, "workers_alive"), running);
	if (attached && running != configured)
		printf("; %" PRId64 " configured: applies when sluice-dp restarts", configured);
	putchar('\n');
}

static void print_datapath(const json_t *answer)
{
	const int64_t pid = answer_number(answer, "pid");
	const int64_t started = answer_number(answer, "started");
	const bool attached = json_is_true(json_object_get(answer, "attached"));
	const bool xdp = strcmp(answer_text(answer, "datapath"), "xdp") == 0;
	char when[64] = "-";
	struct tm tm;

	if (started != 0 && gmtime_r(&(time_t){started}, &tm) != NULL)
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	printf("%-17s%s: %s\n", "datapath", answer_text(answer, "datapath"), answer_text(answer, "why"));
	printf("%-17s%s\n", "attached", attached ? "yes" : "no");
	if (xdp)
		printf("%-17snot needed\n", "sluice-dp");
	else if (pid != 0)
		printf("%-17spid %" PRId64 ", started %s\n", "sluice-dp", pid, when);
	else
		printf("%-17snot running\n", "sluice-dp");
	printf("%-17s%" PRId64 ", applied %" PRId64 "\n", "generation", answer_number(answer, "generation"),
	       answer_number(answer, "applied"));
	if (attached && !xdp)
		printf("%-17s%s, sluice-dp knows minor %" PRId64 "\n", "abi", answer_text(answer, "abi"),
		       answer_number(answer, "data_abi_minor"));
	else
		printf("%-17s%s\n", "abi", answer_text(answer, "abi"));
	printf("%-17s%s\n", "session", answer_text(answer, "session"));
	if (!xdp)
		print_workers(answer, attached);
	print_age("sluiced beat", json_object_get(answer, "control_beat_age_ms"));
	if (!xdp)
		print_age("sluice-dp beat", json_object_get(answer, "data_beat_age_ms"));
	printf("%-17s%s\n", "key fingerprint", answer_text(answer, "key_fingerprint"));
	printf("%-17s%s, %s has %s\n", "tables", answer_text(answer, "tables"), xdp ? "the program" : "sluice-dp",
	       answer_text(answer, "data_tables"));
}

static void print_ports(const json_t *ports)
{
	static const struct table_column columns[] = {
		{"PORT", false}, {"KIND", false}, {"DEVICE", false}, {"QUEUES", true}, {NULL, false}};
	struct table *table = table_create(columns);
	const json_t *port;
	size_t index;

	json_array_foreach(ports, index, port) {
		table_text(table, answer_text(port, "name"));
		table_text(table, answer_text(port, "kind"));
		table_text(table, answer_text(port, "device"));
		if (answer_number(port, "queues") == 0)
			table_text(table, "auto");
		else
			table_number(table, answer_number(port, "queues"));
	}
	table_print(table);
}

static void print_xdp(const json_t *interfaces)
{
	static const struct table_column columns[] = {
		{"INTERFACE", false}, {"XDP", false}, {"PROGRAM", true}, {NULL, false}};
	struct table *table = table_create(columns);
	const json_t *interface;
	size_t index;

	json_array_foreach(interfaces, index, interface) {
		table_text(table, answer_text(interface, "interface"));
		table_text(table, answer_text(interface, "attached"));
		table_number(table, answer_number(interface, "program"));
	}
	table_print(table);
}

static void print_pools(const json_t *pools)
{
	static const struct table_column columns[] = {
		{"POOL", false}, {"ROWS", true}, {"SERVING", true}, {"FINGERPRINT", false}, {NULL, false}};
	struct table *table = table_create(columns);
	const json_t *pool;
	size_t index;

	json_array_foreach(pools, index, pool) {
		table_text(table, answer_text(pool, "pool"));
		table_number(table, answer_number(pool, "rows"));
		table_format(table, "%" PRId64 "/%" PRId64, answer_number(pool, "serving"), answer_number(pool, "backends"));
		table_text(table, answer_text(pool, "fingerprint"));
	}
	table_print(table);
}

enum ctl_exit ctl_show_datapath(const struct ctl_options *options, char **arguments)
{
	json_t *answer = NULL;
	enum ctl_exit result = client_show(options, "/v1/datapath", &answer);

	(void)arguments;
	if (answer == NULL)
		return result;
	print_datapath(answer);
	putchar('\n');
	if (json_array_size(json_object_get(answer, "ports")) > 0) {
		print_ports(json_object_get(answer, "ports"));
		putchar('\n');
	}
	if (json_array_size(json_object_get(answer, "xdp")) > 0) {
		print_xdp(json_object_get(answer, "xdp"));
		putchar('\n');
	}
	print_pools(json_object_get(answer, "pools"));
	json_decref(answer);
	return CTL_DONE;
}
