/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which probes there are: the difference between what runs and what is wanted, applied whole or not at
 * all. Owns identity: two targets are one probe when address, port and what is asked are equal.
 */
#include "health_probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

static int string_compare(const char *a, const char *b)
{
	return a == NULL || b == NULL ? (a != NULL) - (b != NULL) : strcmp(a, b);
}

/* What is asked and how often; the name does not matter. */
static int check_compare(const struct config_check *a, const struct config_check *b)
{
	int order = COMPARE(a->type, b->type);

	order = order != 0 ? order : string_compare(a->path, b->path);
	order = order != 0 ? order : string_compare(a->host, b->host);
	order = order != 0 ? order : string_compare(a->body, b->body);
	order = order != 0 ? order : COMPARE(a->status_min, b->status_min);
	order = order != 0 ? order : COMPARE(a->status_max, b->status_max);
	order = order != 0 ? order : COMPARE(a->interval_ms, b->interval_ms);
	order = order != 0 ? order : COMPARE(a->timeout_ms, b->timeout_ms);
	order = order != 0 ? order : COMPARE(a->jitter_percent, b->jitter_percent);
	order = order != 0 ? order : COMPARE(a->rise, b->rise);
	return order != 0 ? order : COMPARE(a->fall, b->fall);
}

static int target_compare(const struct sl_addr *a_addr, uint16_t a_port, const struct config_check *a_check,
			  const struct sl_addr *b_addr, uint16_t b_port, const struct config_check *b_check)
{
	int order = memcmp(a_addr->b, b_addr->b, sizeof(a_addr->b));

	order = order != 0 ? order : COMPARE(a_port, b_port);
	return order != 0 ? order : check_compare(a_check, b_check);
}

static int by_target(const void *a, const void *b)
{
	const struct health_target *x = *(struct health_target *const *)a;
	const struct health_target *y = *(struct health_target *const *)b;

	return target_compare(&x->address, x->port, x->check, &y->address, y->port, y->check);
}

static int probe_compare(const struct health_probe *probe, const struct health_target *target)
{
	return target_compare(&probe->run.address, probe->run.port, &probe->check, &target->address, target->port,
			      target->check);
}

static int copy_string(const char *from, char **ret_to)
{
	*ret_to = from != NULL ? strdup(from) : NULL;
	return from != NULL && *ret_to == NULL ? -ENOMEM : 0;
}

/* Its timer is not armed, nor known to the loop: it can still be freed. */
static int probe_create(struct health *health, const struct health_target *target, struct health_probe **ret_probe)
{
	struct health_probe *probe = calloc(1, sizeof(*probe));
	const struct config_check *check = target->check;

	if (probe == NULL)
		return -ENOMEM;
	probe->check = *check;
	probe->check.path = probe->check.host = probe->check.body = NULL;
	if (copy_string(check->path, &probe->check.path) < 0 || copy_string(check->host, &probe->check.host) < 0 ||
	    copy_string(check->body, &probe->check.body) < 0) {
		health_probe_free(probe);
		return -ENOMEM;
	}
	probe->health = health;
	probe->run = (struct check_run){.address = target->address, .port = target->port, .check = &probe->check};
	*ret_probe = probe;
	return 0;
}

/*
 * Fills `probes` with what runs and stays and what is new, in order, and counts who wants each.
 * Returns how many, or -ENOMEM. What is new has no users yet.
 */
static ssize_t plan(struct health *health, struct health_target **order, size_t count, struct health_probe **probes)
{
	size_t old = 0;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		struct health_target *target = order[i];
		int err = 0;

		if (n == 0 || probe_compare(probes[n - 1], target) != 0) {
			while (old < health->count && probe_compare(health->probes[old], target) < 0)
				old++;
			if (old < health->count && probe_compare(health->probes[old], target) == 0)
				probes[n] = health->probes[old];
			else
				err = probe_create(health, target, &probes[n]);
			if (err < 0)
				break;
			n++;
		}
		probes[n - 1]->wanted++;
		if (i + 1 == count)
			return (ssize_t)n;
	}
	if (count == 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		probes[i]->wanted = 0;
		if (probes[i]->users == 0)
			health_probe_free(probes[i]);
	}
	return -ENOMEM;
}

/* A probe about to go whose address and check name `probe` has too; the same port before another. */
static const struct health_probe *predecessor(const struct health *health, const struct health_probe *probe)
{
	const struct health_probe *found = NULL;
	size_t low = 0;
	size_t high = health->count;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (memcmp(health->probes[mid]->run.address.b, probe->run.address.b, sizeof(struct sl_addr)) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < health->count; low++) {
		const struct health_probe *old = health->probes[low];

		if (!sl_addr_equal(&old->run.address, &probe->run.address))
			break;
		if (old->wanted != 0 || strcmp(old->check.name, probe->check.name) != 0)
			continue;
		if (old->run.port == probe->run.port)
			return old;
		found = old;
	}
	return found;
}

static void inherit(struct health_probe *probe, const struct health_probe *from)
{
	probe->state = from->state;
	probe->state.streak = 0;
	probe->heard = from->heard;
	probe->result = from->result;
	probe->detail = from->detail;
	probe->result_ms = from->result_ms;
	probe->since_ms = from->since_ms;
	probe->latency_us = from->latency_us;
}

/* Nothing here can fail. */
static void commit(struct health *health, struct health_probe **probes, size_t count)
{
	size_t fresh = 0;
	size_t rank = 0;

	for (size_t i = 0; i < count; i++) {
		const struct health_probe *from;

		if (probes[i]->users != 0)
			continue;
		fresh++;
		from = predecessor(health, probes[i]);
		if (from != NULL)
			inherit(probes[i], from);
	}
	for (size_t i = 0; i < health->count; i++)
		if (health->probes[i]->wanted == 0)
			health_probe_stop(health->probes[i]);
	free(health->probes);
	health->probes = probes;
	health->count = count;
	health->pending = 0;
	for (size_t i = 0; i < count; i++) {
		if (probes[i]->users == 0)
			health_probe_begin(probes[i], rank++, fresh);
		probes[i]->users = probes[i]->wanted;
		probes[i]->wanted = 0;
		health->pending += probes[i]->heard ? 0 : 1;
	}
}

int health_set(struct health *health, struct health_target *targets, size_t count)
{
	struct health_target **order = calloc(count + 1, sizeof(struct health_target *));
	struct health_probe **probes = calloc(count + 1, sizeof(struct health_probe *));
	ssize_t planned = -ENOMEM;

	if (order != NULL && probes != NULL) {
		for (size_t i = 0; i < count; i++)
			order[i] = &targets[i];
		qsort(order, count, sizeof(struct health_target *), by_target);
		planned = plan(health, order, count, probes);
	}
	if (planned < 0) {
		free(order);
		free(probes);
		return -ENOMEM;
	}
	uv_update_time(health->loop);
	commit(health, probes, (size_t)planned);
	for (size_t i = 0, n = 0; i < count; i++) {
		while (probe_compare(probes[n], order[i]) != 0)
			n++;
		order[i]->probe = probes[n];
		memcpy(probes[n]->check.name, order[i]->check->name, sizeof(probes[n]->check.name));
	}
	free(order);
	return 0;
}
