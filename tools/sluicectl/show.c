/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * status, show services, show backends, show stats: what is configured, how it is, what it carried.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "answer.h"
#include "client.h"
#include "duration.h"
#include "table.h"

enum ctl_exit ctl_status(const struct ctl_options *options, char **arguments)
{
	char uptime[32], age[32];
	json_t *answer = NULL;
	enum ctl_exit result = client_show(options, "/v1/status", &answer);
	const char *node = answer_text(answer, "node");

	(void)arguments;
	if (answer == NULL)
		return result;
	duration_text(answer_number(answer, "uptime_s"), uptime, sizeof(uptime));
	duration_text(answer_number(answer, "config_age_s"), age, sizeof(age));
	printf("%s: %s\n", answer_text(answer, "verdict"), answer_text(answer, "summary"));
	printf("node           %s\n", node[0] != 0 ? node : "-");
	printf("instance       %s\n", answer_text(answer, "instance"));
	printf("sluiced        %s, up %s\n", answer_text(answer, "version"), uptime);
	printf("configuration  %s, read %s ago\n", answer_text(answer, "config"), age);
	printf("generation     %" PRId64 ", applied %" PRId64 "\n", answer_number(answer, "generation"),
	       answer_number(answer, "applied"));
	json_decref(answer);
	return CTL_DONE;
}

/* "tcp/192.0.2.10:80,tcp/[2001:db8::1]:443": no spaces, so that columns can be cut. */
static void format_listeners(const json_t *listeners, char *text, size_t size)
{
	const json_t *listener;
	size_t index;

	text[0] = 0;
	json_array_foreach(listeners, index, listener) {
		const size_t len = strlen(text);
		const char *address = answer_text(listener, "address");
		const bool v6 = strchr(address, ':') != NULL;
		char port[16] = "*";

		if (answer_number(listener, "port") != 0)
			snprintf(port, sizeof(port), "%" PRId64, answer_number(listener, "port"));
		snprintf(text + len, size - len, "%s%s/%s%s%s:%s", index > 0 ? "," : "",
			 answer_text(listener, "protocol"), v6 ? "[" : "", address, v6 ? "]" : "", port);
	}
}

/* Rows that are open for some kind of traffic: those of the kind that has most. */
static int64_t open_rows(const json_t *object)
{
	const json_t *kinds = json_object_get(object, "open_rows"), *rows;
	const char *kind;
	int64_t most = 0;

	json_object_foreach((json_t *)kinds, kind, rows)
		if (json_integer_value(rows) > most)
			most = json_integer_value(rows);
	return most;
}

enum ctl_exit ctl_show_services(const struct ctl_options *options, char **arguments)
{
	static const struct table_column columns[] = {
		{"SERVICE", false}, {"LISTEN", false},    {"POOL", false},   {"MODE", false}, {"HASH", false},
		{"SERVING", true},  {"OPEN", true},       {"ANNOUNCED", false}, {"PACKETS", true}, {"BYTES", true},
		{NULL, false},
	};
	json_t *answer = NULL;
	enum ctl_exit result = client_show(options, "/v1/services", &answer);
	const json_t *service;
	struct table *table;
	char listen[900];
	size_t index;

	(void)arguments;
	if (answer == NULL)
		return result;
	table = table_create(columns);
	json_array_foreach(json_object_get(answer, "services"), index, service) {
		format_listeners(json_object_get(service, "listeners"), listen, sizeof(listen));
		table_text(table, answer_text(service, "name"));
		table_text(table, listen);
		table_text(table, answer_text(service, "pool"));
		table_text(table, answer_text(service, "mode"));
		table_text(table, answer_text(service, "hash"));
		table_format(table, "%" PRId64 "/%" PRId64, answer_number(service, "serving"),
			     answer_number(service, "backends"));
		table_number(table, open_rows(service));
		table_text(table, json_is_true(json_object_get(service, "announced")) ? "yes" : "no");
		table_number(table, answer_number(service, "packets"));
		table_number(table, answer_number(service, "bytes"));
	}
	table_print(table);
	json_decref(answer);
	return CTL_DONE;
}

/* The last column: why it is as it is. What a person said comes before what a probe found. */
static void add_reason(struct table *table, const json_t *backend)
{
	const char *who = answer_text(backend, "admin_who");
	const char *why = answer_text(backend, "admin_why");

	if (strcmp(answer_text(backend, "admin"), "ready") != 0)
		table_format(table, "%s by %s%s%s", answer_text(backend, "admin"), who[0] != 0 ? who : "somebody",
			     why[0] != 0 ? ": " : "", why);
	else
		table_text(table, answer_text(backend, "reason"));
}

/* "ramping 35%": the share of its own rows that it takes. */
static void add_state(struct table *table, const json_t *backend)
{
	if (strcmp(answer_text(backend, "state"), "ramping") == 0)
		table_format(table, "ramping %" PRId64 "%%", answer_number(backend, "ramp_percent"));
	else
		table_text(table, answer_text(backend, "state"));
}

/* "13107 42m": rows that still lead older connections there, and how long at most; "13107 held": no time ends it. */
static void add_open(struct table *table, const json_t *backend)
{
	const json_t *left_s = json_object_get(backend, "open_s");
	const int64_t rows = open_rows(backend);
	char left[32] = "held";

	if (json_is_integer(left_s))
		duration_text(json_integer_value(left_s), left, sizeof(left));
	if (rows > 0)
		table_format(table, "%" PRId64 " %s", rows, left);
	else
		table_text(table, "-");
}

enum ctl_exit ctl_show_backends(const struct ctl_options *options, char **arguments)
{
	static const struct table_column columns[] = {
		{"POOL", false},  {"BACKEND", false}, {"ADDRESS", false}, {"WEIGHT", true}, {"STATE", false},
		{"HEALTH", false}, {"SINCE", true},   {"CHECK-MS", true}, {"SHARE%", true}, {"OPEN", true},
		{"PACKETS", true}, {"BYTES", true},  {"REASON", false}, {NULL, false},
	};
	json_t *answer = NULL;
	enum ctl_exit result = client_show(options, "/v1/backends", &answer);
	const json_t *backend;
	struct table *table;
	char since[32];
	size_t index;

	(void)arguments;
	if (answer == NULL)
		return result;
	table = table_create(columns);
	json_array_foreach(json_object_get(answer, "backends"), index, backend) {
		const int64_t since_s = answer_number(backend, "since");

		duration_text((int64_t)time(NULL) - since_s, since, sizeof(since));
		table_text(table, answer_text(backend, "pool"));
		table_text(table, answer_text(backend, "name"));
		table_text(table, answer_text(backend, "address"));
		table_number(table, answer_number(backend, "weight"));
		add_state(table, backend);
		table_text(table, answer_text(backend, "health"));
		table_text(table, since_s != 0 ? since : "-");
		if (answer_number(backend, "latency_us") > 0)
			table_format(table, "%.1f", (double)answer_number(backend, "latency_us") / 1000);
		else
			table_text(table, "-");
		table_format(table, "%.1f", answer_real(backend, "share_percent"));
		add_open(table, backend);
		table_number(table, answer_number(backend, "packets"));
		table_number(table, answer_number(backend, "bytes"));
		add_reason(table, backend);
	}
	table_print(table);
	json_decref(answer);
	return CTL_DONE;
}

static void add_counter(struct table *table, const char *kind, const char *name, const json_t *packets,
			const json_t *bytes)
{
	table_text(table, kind);
	table_text(table, name);
	table_number(table, json_integer_value(packets));
	if (bytes != NULL)
		table_number(table, json_integer_value(bytes));
	else
		table_text(table, "-");
}

static void add_totals(struct table *table, const json_t *total)
{
	static const char *const without_bytes[] = {"verdicts", "missed", "no_mbuf", "tx_full"};

	add_counter(table, "total", "received", json_object_get(total, "rx_packets"), json_object_get(total, "rx_bytes"));
	add_counter(table, "total", "sent", json_object_get(total, "tx_packets"), json_object_get(total, "tx_bytes"));
	for (size_t i = 0; i < sizeof(without_bytes) / sizeof(without_bytes[0]); i++)
		add_counter(table, "total", without_bytes[i], json_object_get(total, without_bytes[i]), NULL);
}

enum ctl_exit ctl_show_stats(const struct ctl_options *options, char **arguments)
{
	static const struct table_column columns[] = {
		{"KIND", false}, {"NAME", false}, {"PACKETS", true}, {"BYTES", true}, {NULL, false}};
	json_t *answer = NULL;
	enum ctl_exit result = client_show(options, "/v1/stats", &answer);
	const json_t *entry;
	struct table *table;
	char name[256];
	size_t index;

	(void)arguments;
	if (answer == NULL)
		return result;
	table = table_create(columns);
	add_totals(table, json_object_get(answer, "total"));
	json_array_foreach(json_object_get(answer, "services"), index, entry)
		add_counter(table, "service", answer_text(entry, "service"), json_object_get(entry, "packets"),
			    json_object_get(entry, "bytes"));
	json_array_foreach(json_object_get(answer, "backends"), index, entry) {
		snprintf(name, sizeof(name), "%s/%s", answer_text(entry, "pool"), answer_text(entry, "backend"));
		add_counter(table, "backend", name, json_object_get(entry, "packets"), json_object_get(entry, "bytes"));
	}
	table_print(table);
	json_decref(answer);
	return CTL_DONE;
}
