/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Model → data plane: the shared-memory file, when a generation may go out, and what follows when the data
 * plane says hello, has applied it, or refuses a record.
 */
#include "daemon.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sluice/host/lock.h"

static void on_hello(void *ctx, const struct sl_hello *hello)
{
	struct daemon *d = ctx;

	d->hello = *hello;
	d->attached = true;
	if (hello->pid != d->counting_pid)
		daemon_network_restarted(d);
	if (hello->generation > d->model->generation) { /* the state file was lost, or older: numbers only rise */
		d->model->generation = hello->generation;
		d->model->settings_dirty = true;
		daemon_publish(d);
	}
	log_info(&d->log, "data plane attached", LOG_U64("pid", hello->pid), LOG_U64("workers", hello->workers),
		 LOG_U64("ports", hello->ports), LOG_U64("forwards_by", hello->generation));
}

static void on_applied(void *ctx, const struct sl_applied *applied)
{
	struct daemon *d = ctx;

	d->ring_applied = applied->generation;
	if (daemon_by_xdp(d) || applied->generation == d->applied)
		return;
	d->applied = applied->generation;
	model_set_applied(d->model, applied->generation, daemon_boottime_ms());
	log_debug(&d->log, "generation applied", LOG_U64("generation", applied->generation));
	if (applied->generation != d->model->generation)
		return;
	if (applied->tables != model_tables_checksum(d->model))
		log_error(&d->log, "the data plane has other tables than were sent; restart sluice-dp",
			  LOG_U64("generation", applied->generation));
	daemon_network_applied(d);
}

static void on_rejected(void *ctx, const struct sl_rejected *rejected)
{
	const struct daemon *d = ctx;

	log_error(&d->log, "data plane refused a record; everything is sent again", LOG_STR("cause", sl_reject_reason_name(rejected->reason)),
		  LOG_STR("record", sl_record_type_name(rejected->type)), LOG_U64("sequence", rejected->sequence),
		  LOG_U64("generation", rejected->generation));
}

int daemon_new_file(struct daemon *d)
{
	const struct publisher_events events = { .ctx = d, .hello = on_hello, .applied = on_applied,
						 .rejected = on_rejected };
	const struct shm_capacity capacity = model_capacity(d->model);
	struct shm_file *shm = NULL;
	struct publisher *publisher = NULL;
	char reterr[512];
	int err = shm_file_create(d->runtime_dir, &d->config->boot, &capacity, &shm, reterr, sizeof(reterr));

	if (err < 0) {
		log_error(&d->log, "shared memory cannot be made", LOG_STR("cause", reterr));
		return err;
	}
	err = publish_ring_create(shm_file_base(shm), shm_file_header(shm), &events, &publisher);
	if (err < 0) {
		shm_file_destroy(shm);
		return err;
	}
	publisher_destroy(d->publisher);
	shm_file_destroy(d->shm);
	d->publisher = publisher;
	d->shm = shm;
	d->shm_rows = capacity.rows;
	d->attached = false;
	d->ring_applied = 0;
	err = daemon_xdp_open(d, &capacity);
	if (err < 0)
		return err;
	model_set_publisher(d->model, publisher, &capacity.limits);
	log_info(&d->log, "made shared memory", LOG_STR("directory", d->runtime_dir), LOG_U64("services", capacity.limits.services),
		 LOG_U64("backends", capacity.limits.backends));
	return 0;
}

/* True when the way to every healthy backend is known. */
static bool hops_known(const struct daemon *d)
{
	for (size_t i = 0; i < d->model->pool_count; i++) {
		const struct model_pool *pool = &d->model->pools[i];

		for (size_t k = 0; k < pool->backend_count; k++) {
			const struct model_backend *backend = &pool->backends[k];

			if (backend->health == BACKEND_UP && !model_hop_known(d->model, &backend->hop))
				return false;
		}
	}
	return true;
}

/*
 * The first generation of a start replaces what the data plane forwards by, so it must be complete: every
 * probe has a result, and the MACs of healthy backends are known (or had their time).
 */
static bool may_publish(struct daemon *d)
{
	if (d->published)
		return true;
	if (health_pending(d->health) > 0)
		return false;
	if (d->settled_ms == 0)
		d->settled_ms = uv_now(&d->loop);
	return hops_known(d) || uv_now(&d->loop) - d->settled_ms >= DAEMON_HOPS_WAIT_MS;
}

static void on_advance(uv_timer_t *timer)
{
	daemon_publish(timer->data); /* publish_now() lets the model's time go on */
}

/* Comes back when the model's time is to go on. */
static void wait_due(struct daemon *d)
{
	const uint64_t now_ms = daemon_boottime_ms();
	const uint64_t due_ms = model_due(d->model);
	const uint64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 0;

	if (due_ms == MODEL_NEVER)
		uv_timer_stop(&d->advance);
	else /* the loop's clock does not count suspended time: look again within the longest of waits */
		uv_timer_start(&d->advance, on_advance, wait_ms < DAEMON_ADVANCE_MS ? wait_ms : DAEMON_ADVANCE_MS, 0);
}

static void publish_now(struct daemon *d)
{
	int64_t generation;

	d->publish_due = false;
	if (d->state_dirty && (!d->published || d->model->ids_dirty))
		daemon_state_save(d); /* numbers first: what workers remember from now on, and rows files, are of them */
	daemon_network_before(d);
	model_advance(d->model, daemon_boottime_ms());
	d->rows_failed = false;
	generation = model_update(d->model);
	if (generation == -ERANGE || (generation > 0 && model_table_rows(d->model) > d->shm_rows)) {
		log_info(&d->log, "the configuration outgrew the shared memory");
		if (daemon_new_file(d) == 0)
			generation = model_update(d->model);
	}
	wait_due(d);
	if (d->rows_said && !d->rows_failed && generation >= 0) {
		d->rows_said = false;
		log_info(&d->log, "what is known of rows is saved again");
	}
	if (generation < 0) {
		if (!d->publish_failed)
			log_error(&d->log, "the change cannot be published; the data plane keeps what it has, trying again each second",
				  LOG_ERRNO("cause", (int)generation));
		d->publish_failed = true;
		return;
	}
	d->publish_failed = false;
	if (generation == 0) {
		daemon_network_applied(d);
		return;
	}
	if (!d->published)
		log_info(&d->log, "first generation", LOG_U64("generation", (uint64_t)generation));
	d->published = true;
	d->committed_ms = uv_now(&d->loop);
	d->state_dirty = true;
	publisher_pump(d->publisher);
	daemon_xdp_pump(d);
	uv_timer_start(&d->tick, d->tick.timer_cb, DAEMON_TICK_BUSY_MS, DAEMON_TICK_BUSY_MS);
}

void daemon_publish(struct daemon *d)
{
	d->publish_due = true;
}

void daemon_publish_due(struct daemon *d)
{
	if (d->publish_due && may_publish(d))
		publish_now(d);
}

/*
 * A data plane that lives but does not run (stopped, or starved) cannot close the VIP device itself:
 * the VIPs are taken back until its heartbeat is there again.
 */
static void watch_heartbeat(struct daemon *d, uint64_t now_ns)
{
	const uint64_t beat_ns = __atomic_load_n(&shm_file_live(d->shm)->data_beat_ns, __ATOMIC_RELAXED);
	const bool hangs = !d->xdp && d->attached && beat_ns != 0 && now_ns > beat_ns + (uint64_t)DAEMON_DATA_SILENT_MS * 1000000u;

	if (hangs == d->data_hangs)
		return;
	d->data_hangs = hangs;
	if (hangs)
		log_error(&d->log, "sluice-dp hangs: VIPs are withdrawn until its heartbeat is back",
			  LOG_U64("pid", d->hello.pid), LOG_U64("silent_ms", (now_ns - beat_ns) / 1000000u));
	else
		log_info(&d->log, "sluice-dp runs again", LOG_U64("pid", d->hello.pid));
	daemon_network_before(d);
	daemon_network_applied(d);
}

void daemon_beat(struct daemon *d)
{
	struct sl_shm_live *live = shm_file_live(d->shm);
	struct timespec now;
	int pid;

	if (shm_file_is_lost(d->shm)) {
		log_error(&d->log, "somebody truncated the shared memory: making a new file", LOG_STR("directory", d->runtime_dir));
		if (daemon_new_file(d) == 0)
			daemon_publish(d);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	__atomic_store_n(&live->control_beat_ns, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
			 __ATOMIC_RELAXED);
	if (d->publish_failed || d->rows_failed)
		daemon_publish(d);
	daemon_drain_beat(d);
	daemon_xdp_beat(d);
	pid = daemon_data_pid(d);
	if (d->attached && pid == 0) {
		d->attached = false;
		log_error(&d->log, d->xdp ? "sluice-dp is gone" : "data plane is gone: no packet is forwarded until sluice-dp runs again",
			  LOG_U64("pid", d->hello.pid));
	}
	watch_heartbeat(d, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
	if (pid == 0)
		daemon_network_restarted(d); /* the next one reads the interfaces as they are configured now */
}

int daemon_data_pid(const struct daemon *d)
{
	char text[SL_LOCK_TEXT_SIZE];
	int pid = 0;

	if (!sl_lock_is_held(d->lock_fd, SL_LOCK_DATA))
		return 0;
	sl_lock_holder(d->lock_fd, SL_LOCK_DATA, text, sizeof(text));
	return sscanf(text, "pid %d", &pid) == 1 ? pid : -1;
}
