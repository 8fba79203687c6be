/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sluice-dp: from the command line to a running manager, one step a function, and from errors to one
 * line and an exit code. What is waited for can be left by a signal and by --wait.
 */
#include <errno.h>
#include <poll.h>
#include <rte_alarm.h>
#include <rte_malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/eal.h"
#include "dataplane/instance.h"
#include "dataplane/machine.h"
#include "dataplane/manager.h"
#include "dataplane/options.h"
#include "dataplane/privilege.h"
#include "sluice/host/runtime_dir.h"

enum { WAIT_STEP_MS = 20, EXIT_GO_ON = -1 };

struct program {
	struct options options;
	struct instance instance;
	uid_t owner; /* -1: none */
	int signal_fd;
	time_t deadline_s; /* of CLOCK_MONOTONIC; 0: never */
	struct shm *shm;
	struct sl_boot boot;
	bool hugepages;
	struct privilege_account account;
	struct port_plan plan[SL_PORTS_MAX];
	struct port_set ports;
};

static int fail(enum exit_code code, const char *event, const char *cause)
{
	log_event(LOG_LEVEL_ERROR, event, LOG_STR("cause", cause));
	return code;
}

/* Sleeps a moment. Returns EXIT_GO_ON, 0 (asked to stop) or EXIT_CODE_ENVIRONMENT (waited long enough). */
static int wait_step(const struct program *program, const char *what)
{
	struct pollfd signals = {.fd = program->signal_fd, .events = POLLIN};
	struct timespec now;

	if (poll(&signals, 1, WAIT_STEP_MS) > 0)
		return EXIT_CODE_OK;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (program->deadline_s == 0 || now.tv_sec < program->deadline_s)
		return EXIT_GO_ON;
	log_event(LOG_LEVEL_ERROR, "waited in vain: is sluiced running for this instance?",
		  LOG_STR("instance", program->options.instance), LOG_STR("missing", what),
		  LOG_U64("seconds", (uint64_t)program->options.wait_s));
	return EXIT_CODE_ENVIRONMENT;
}

static int prepare_process(struct program *program)
{
	struct privilege_account owner;
	struct timespec now;
	sigset_t set;

	if (privilege_prepare() < 0)
		return fail(EXIT_CODE_INTERNAL, "privileges cannot be limited", "the kernel refuses no_new_privs");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	/* Before any thread exists, so that all of them block these and only the descriptor sees them. */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return fail(EXIT_CODE_INTERNAL, "signals cannot be read", strerror(errno));
	program->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (program->signal_fd < 0)
		return fail(EXIT_CODE_INTERNAL, "signals cannot be read", strerror(errno));
	signal(SIGPIPE, SIG_IGN);
	program->owner = (uid_t)-1;
	if (program->options.owner[0] != 0) {
		if (privilege_account_find(program->options.owner, &owner) < 0 || !owner.exists) {
			log_event(LOG_LEVEL_ERROR, "--owner: no such account; name the one that sluiced runs as",
				  LOG_STR("account", program->options.owner));
			return EXIT_CODE_USAGE;
		}
		program->owner = owner.uid;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	program->deadline_s = program->options.wait_s < 0 ? 0 : now.tv_sec + program->options.wait_s + 1;
	return EXIT_GO_ON;
}

/* The instance's directory and lock; both may have to be waited for: sluiced makes the directory. */
static int enter_instance(struct program *program)
{
	char text[256];
	bool said = false;
	int err;

	for (;;) {
		err = instance_open(&program->instance, program->options.runtime_dir, program->options.instance);
		if (err != -ENOENT)
			break;
		if (!said)
			log_event(LOG_LEVEL_INFO, "waiting for sluiced: its directory is not there yet",
				  LOG_STR("directory", program->instance.dir));
		said = true;
		err = wait_step(program, "directory");
		if (err != EXIT_GO_ON)
			return err;
	}
	if (err < 0)
		snprintf(text, sizeof(text), "%s", strerror(-err));
	else
		err = instance_lock(&program->instance, text, sizeof(text));
	if (err < 0) {
		log_event(LOG_LEVEL_ERROR, err == -EBUSY ? "instance is not free" : "instance directory cannot be used; run as root",
			  LOG_STR("directory", program->instance.dir), LOG_STR("cause", text));
		return err == -EBUSY ? EXIT_CODE_LOCKED : EXIT_CODE_ENVIRONMENT;
	}
	return EXIT_GO_ON;
}

static int attach_shm(struct program *program)
{
	struct shm_error error;
	bool said = false;
	int err, code;

	for (;;) {
		err = shm_open_at(program->instance.dir_fd, program->owner, &program->shm, &error);
		if (err != -ENOENT)
			break;
		if (!said)
			log_event(LOG_LEVEL_INFO, "waiting for sluiced: its shared memory is not there yet",
				  LOG_STR("directory", program->instance.dir), LOG_STR("file", SL_SHM_FILE));
		said = true;
		code = wait_step(program, SL_SHM_FILE);
		if (code != EXIT_GO_ON)
			return code;
	}
	if (err < 0) {
		log_event(LOG_LEVEL_ERROR, "shared memory refused", LOG_STR("directory", program->instance.dir),
			  LOG_STR("file", SL_SHM_FILE), LOG_STR("cause", error.text));
		return EXIT_CODE_SHM;
	}
	program->boot = shm_header(program->shm)->boot;
	return EXIT_GO_ON;
}

/* Everything that can be known to be missing before DPDK starts. */
static int check_machine(struct program *program)
{
	const bool root_owned = program->boot.config_root_owned && shm_owner(program->shm) == 0;
	struct privilege_error privilege;
	struct port_plan_error error;
	int err;

	if (program->boot.port_count == 0)
		return fail(EXIT_CODE_USAGE, "nothing to do",
			    "the configuration of sluiced says datapath: xdp; with dpdk or auto it needs sluice-dp");
	program->hugepages = program->boot.hugepages && !program->options.no_huge;
	if (program->hugepages && machine_check_hugepages(&error) < 0)
		return fail(EXIT_CODE_ENVIRONMENT, "hugepages are missing", error.text);
	if (privilege_account_find(program->boot.user, &program->account) < 0)
		return fail(EXIT_CODE_INTERNAL, "account cannot be looked up", "the account database cannot be read");
	if (privilege_check(&program->boot, &program->account, &privilege) < 0)
		return fail(EXIT_CODE_ENVIRONMENT, "privileges are missing", privilege.text);
	err = machine_plan_ports(&program->boot, root_owned, program->plan, &error);
	if (err < 0)
		return fail(err == -EPERM || err == -EINVAL ? EXIT_CODE_USAGE : EXIT_CODE_ENVIRONMENT, "interface cannot be used", error.text);
	for (unsigned int p = 0; p < program->boot.port_count; p++)
		if (program->plan[p].warning[0] != 0)
			log_event(LOG_LEVEL_WARNING, "interface needs attention", LOG_STR("cause", program->plan[p].warning));
	return EXIT_GO_ON;
}

/* A sluiced that was restarted, perhaps with the interface set right: its file counts, not the one we wait by. */
static int follow_new_file(struct program *program)
{
	int code;

	if (!shm_is_replaced(program->shm, program->instance.dir_fd))
		return EXIT_GO_ON;
	log_event(LOG_LEVEL_INFO, "attached to a new file of sluiced", LOG_STR("directory", program->instance.dir),
		  LOG_STR("file", SL_SHM_FILE));
	shm_close(program->shm);
	program->shm = NULL;
	code = attach_shm(program);
	return code == EXIT_GO_ON ? check_machine(program) : code;
}

/* The driver would load a program of its own where none is attached: wait for sluiced's. */
static int await_steering(struct program *program)
{
	char other[16], said[SL_DEVICE_MAX] = "";
	int port, code;

	while ((port = machine_port_without_steering(&program->boot, program->plan, other)) >= 0) {
		const char *device = program->boot.port[port].device;

		if (strcmp(said, device) != 0 && other[0] == 0)
			log_event(LOG_LEVEL_INFO, "waiting for sluiced: no steering program is attached yet",
				  LOG_STR("interface", device));
		else if (strcmp(said, device) != 0)
			log_event(LOG_LEVEL_WARNING,
				  "waiting for sluiced: another XDP program is attached; ip link set INTERFACE xdp off removes it",
				  LOG_STR("interface", device), LOG_STR("program", other));
		snprintf(said, sizeof(said), "%s", device);
		code = wait_step(program, "steering program");
		if (code == EXIT_GO_ON)
			code = follow_new_file(program);
		if (code != EXIT_GO_ON)
			return code;
	}
	return EXIT_GO_ON;
}

static int start_eal(struct program *program)
{
	struct eal_request request = {
		.boot = &program->boot,
		.instance = program->options.instance,
		.hugepages = program->hugepages,
		.dpdk_log = program->options.dpdk_log,
		.memory_mb = program->hugepages ? program->boot.memory_mb : eal_args_memory_mb(&program->boot),
	};
	struct eal_args_error error;
	struct eal_args args;

	if (sched_getaffinity(0, sizeof(request.cpus), &request.cpus) < 0)
		return fail(EXIT_CODE_INTERNAL, "CPUs cannot be read", strerror(errno));
	if (eal_args_build(&request, &args, &error) < 0)
		return fail(EXIT_CODE_USAGE, "CPUs cannot be used", error.text);
	if (args.warning[0] != 0)
		log_event(LOG_LEVEL_WARNING, "CPUs are shared", LOG_STR("cause", args.warning));
	if (eal_start(&args, &error) < 0)
		return fail(EXIT_CODE_ENVIRONMENT, "DPDK does not start", error.text);
	return EXIT_GO_ON;
}

static int open_ports(struct program *program)
{
	const struct sl_boot *boot = &program->boot;
	struct port_error error;
	int err;

	if (port_set_init(&program->ports, program->plan, boot->port_count, boot->worker_count, &error) < 0)
		return fail(EXIT_CODE_ENVIRONMENT, "no memory for packets", error.text);
	for (unsigned int p = 0; p < boot->port_count; p++) {
		const struct port *port = &program->ports.port[p];
		const __u8 *mac = port->shared.mac;
		char mac_text[18];

		log_capture_begin();
		err = port_open(&program->ports, &boot->port[p], &program->plan[p], &error);
		log_capture_end(err < 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG);
		if (err < 0)
			return fail(EXIT_CODE_ENVIRONMENT, "port does not open", error.text);
		snprintf(mac_text, sizeof(mac_text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
			 mac[5]);
		log_event(LOG_LEVEL_INFO, "port is up", LOG_STR("port", port->name), LOG_STR("device", boot->port[p].device),
			  LOG_STR("mac", mac_text), LOG_U64("mtu", port->shared.mtu), LOG_U64("queues", boot->worker_count));
	}
	return EXIT_GO_ON;
}

static void drop_in_eal_thread(void *arg)
{
	(void)arg;
	privilege_drop_thread();
}

static int drop_privileges(struct program *program)
{
	const struct privilege_account *account = &program->account;

	if (privilege_drop(account) < 0)
		return fail(EXIT_CODE_INTERNAL, "privileges cannot be dropped", strerror(errno));
	rte_eal_alarm_set(1, drop_in_eal_thread, NULL); /* runs in the EAL's own thread */
	if (account->exists)
		log_event(LOG_LEVEL_INFO, "privileges dropped", LOG_STR("account", account->name), LOG_U64("uid", account->uid));
	else
		log_event(LOG_LEVEL_WARNING, "no such account: the uid is kept, capabilities are dropped; "
			  "useradd --system --no-create-home ACCOUNT makes one",
			  LOG_STR("account", account->name[0] ? account->name : "sluice"), LOG_U64("uid", geteuid()));
	return EXIT_GO_ON;
}

static void *hugepage_alloc(void *ctx, size_t size, size_t align)
{
	(void)ctx;
	return rte_zmalloc("snapshot", size, (unsigned int)align);
}

static void hugepage_free(void *ctx, void *memory)
{
	(void)ctx;
	rte_free(memory);
}

static int run_manager(struct program *program)
{
	static const struct dp_allocator hugepages = {.alloc = hugepage_alloc, .free = hugepage_free};
	const struct manager_config config = {
		.instance = &program->instance,
		.boot = &program->boot,
		.ports = &program->ports,
		.allocator = program->hugepages ? &hugepages : &dp_allocator_malloc,
		.shm = program->shm,
		.owner = program->owner,
		.signal_fd = program->signal_fd,
		.drop_thread = privilege_drop_thread,
	};
	const int err = manager_run(&config);

	if (err < 0)
		return fail(EXIT_CODE_INTERNAL, "manager ended", strerror(-err));
	port_set_stop(&program->ports);
	instance_close(&program->instance);
	log_event(LOG_LEVEL_INFO, "stopped");
	return EXIT_CODE_OK;
}

int main(int argc, char **argv)
{
	static int (*const steps[])(struct program *program) = {
		prepare_process, enter_instance, attach_shm,      check_machine, await_steering,
		start_eal,       open_ports,     drop_privileges, run_manager,
	};
	struct program *program = calloc(1, sizeof(*program));
	struct options_error error;
	int code = EXIT_GO_ON;

	if (!program)
		return EXIT_CODE_INTERNAL;
	if (options_parse(argc, argv, sl_runtime_dir(), &program->options, &error) < 0) {
		fprintf(stderr, "sluice-dp: %s\n", error.text);
		return EXIT_CODE_USAGE;
	}
	if (program->options.help)
		options_print_help(stdout);
	if (program->options.version)
		puts("sluice-dp " SLUICE_VERSION);
	if (program->options.help || program->options.version)
		return EXIT_CODE_OK;
	log_setup(program->options.log_format, program->options.log_level);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && code == EXIT_GO_ON; i++)
		code = steps[i](program);
	/* Not exit(): DPDK's destructors would close devices, and with them try to detach sluiced's program. */
	fflush(NULL);
	_exit(code);
}
