/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of keys. A new key is one row here and one use of its value; the reference page and the
 * messages follow. Rows of one map stand together.
 */
#include "config_schema.h"

#include <assert.h>

#include "config.h"

#define IN(type, field) .offset = offsetof(struct type, field), .width = sizeof(((struct type *)0)->field)
#define MS 1ull
#define SECONDS 1000ull
#define HOURS 3600000ull
#define MIB (1ull << 20)

static const struct config_word datapaths[] = {
	{ "dpdk", CONFIG_DATAPATH_DPDK }, { "xdp", CONFIG_DATAPATH_XDP }, { "auto", CONFIG_DATAPATH_AUTO },
	{ 0 },
};
static const struct config_word polls[] = {
	{ "adaptive", SL_POLL_ADAPTIVE }, { "busy", SL_POLL_BUSY }, { 0 },
};
static const struct config_word attaches[] = {
	{ "native-only", CONFIG_XDP_ATTACH_NATIVE_ONLY }, { "auto", CONFIG_XDP_ATTACH_AUTO },
	{ "generic", CONFIG_XDP_ATTACH_GENERIC }, { 0 },
};
static const struct config_word on_stops[] = {
	{ "keep", CONFIG_XDP_ON_STOP_KEEP }, { "detach", CONFIG_XDP_ON_STOP_DETACH }, { 0 },
};
static const struct config_word withdraws[] = {
	{ "not-forwarding", CONFIG_WITHDRAW_NOT_FORWARDING },
	{ "too-few-healthy", CONFIG_WITHDRAW_TOO_FEW_HEALTHY },
	{ "node-drained", CONFIG_WITHDRAW_NODE_DRAINED }, { 0 },
};
static const struct config_word log_formats[] = {
	{ "text", CONFIG_LOG_TEXT }, { "json", CONFIG_LOG_JSON }, { 0 },
};
static const struct config_word check_types[] = {
	{ "tcp", CONFIG_CHECK_TCP }, { "http", CONFIG_CHECK_HTTP }, { "icmp", CONFIG_CHECK_ICMP },
	{ "dns", CONFIG_CHECK_DNS }, { "https", CONFIG_WORD_LATER }, { "tls", CONFIG_WORD_LATER },
	{ "udp", CONFIG_WORD_LATER }, { "script", CONFIG_WORD_LATER }, { 0 },
};
static const struct config_word when_empties[] = {
	{ "reject", SL_OTHERWISE_REJECT }, { "drop", SL_OTHERWISE_DROP }, { 0 },
};
static const struct config_word on_downs[] = { { "linger", false }, { "reset", true }, { 0 } };
static const struct config_word roles[] = {
	{ "primary", CONFIG_ROLE_PRIMARY }, { "backup", CONFIG_ROLE_BACKUP }, { 0 },
};
static const struct config_word modes[] = {
	{ "l2", SL_MODE_L2 }, { "ipip", SL_MODE_IPIP }, { "gue", CONFIG_WORD_LATER },
	{ "gre", CONFIG_WORD_LATER }, { "nat", CONFIG_WORD_LATER }, { 0 },
};
static const struct config_word schedulers[] = {
	{ "maglev", CONFIG_SCHEDULER_MAGLEV }, { "rr", CONFIG_WORD_LATER }, { "wrr", CONFIG_WORD_LATER },
	{ "lc", CONFIG_WORD_LATER }, { "wlc", CONFIG_WORD_LATER }, { 0 },
};
static const struct config_word hashes[] = {
	{ "5tuple", SL_HASH_5TUPLE }, { "source", SL_HASH_SOURCE }, { 0 },
};
static const struct config_word trackings[] = {
	{ "changed-rows", SL_TRACKING_CHANGED_ROWS }, { "always", SL_TRACKING_ALWAYS },
	{ "never", SL_TRACKING_NEVER }, { 0 },
};
static const struct config_word udp_flows[] = {
	{ "sticky", SL_UDP_FLOWS_STICKY }, { "none", SL_UDP_FLOWS_NONE }, { "quic", SL_UDP_FLOWS_QUIC },
	{ 0 },
};
static const struct config_word no_services[] = {
	{ "drop", SL_OTHERWISE_DROP }, { "reject", SL_OTHERWISE_REJECT },
	{ "kernel", SL_OTHERWISE_KERNEL }, { 0 },
};

static const struct config_key keys[] = {
	/* the top of the file */
	{ "node", CONFIG_TYPE_NAME, IN(config, node), .value_text = "the host's name",
	  .text = "This balancer's name in logs, metrics and the API." },
	{ "hash-key-file", CONFIG_TYPE_FILE, IN(config, hash_key_file), .max = 4095,
	  .value_text = "a key made at first start, kept beside the state",
	  .text = "The hash key of the fleet: balancers with the same key choose the same backends. "
		  "`sluicectl key new` makes one." },
	{ "datapath", CONFIG_TYPE_WORD, IN(config, datapath), .words = datapaths, .value = "dpdk",
	  .text = "What forwards: `sluice-dp`, or an XDP program in the interfaces' drivers, which needs no other "
		  "process and no core of its own. `auto`: `sluice-dp` while it lives, else the program." },
	{ "interfaces", CONFIG_TYPE_OTHER, .required = true, .restart = true,
	  .allowed = "a list of interfaces such as \"af_xdp:eth1\" or \"xdp:eth1\", or maps with name, dpdk and xdp",
	  .text = "The interfaces that packets come from and leave by. A text is short for a map with only "
		  "`dpdk`; `\"xdp:eth1\"` for one with only `xdp: eth1`." },
	{ "dpdk", CONFIG_TYPE_OTHER, .allowed = "a map",
	  .text = "What sluice-dp needs before anything else." },
	{ "xdp", CONFIG_TYPE_OTHER, .allowed = "a map",
	  .text = "How XDP programs are attached." },
	{ "announce", CONFIG_TYPE_OTHER, .allowed = "a map",
	  .text = "Who is told about the VIP addresses." },
	{ "outer-source", CONFIG_TYPE_ADDRESS, IN(config, outer_source), .special = "auto", .value = "auto",
	  .text = "Source address of tunnel packets. `auto`: the address the kernel would use towards the "
		  "backend." },
	{ "limits", CONFIG_TYPE_OTHER, .allowed = "a map",
	  .text = "Bounds that protect from accidents." },
	{ "log", CONFIG_TYPE_OTHER, .allowed = "a map",
	  .text = "How events are logged." },
	{ "checks", CONFIG_TYPE_OTHER, .allowed = "a map of named checks",
	  .text = "Health checks that several pools may use, by name." },
	{ "pools", CONFIG_TYPE_OTHER, .allowed = "a list of pools",
	  .text = "Named lists of backends, each with one lookup table." },
	{ "services", CONFIG_TYPE_OTHER, .required = true, .allowed = "a list of services",
	  .text = "What clients reach: listeners and the pool behind them." },
	{ "vips", CONFIG_TYPE_OTHER, .allowed = "a list of maps with address and no-service",
	  .text = "Settings of single VIP addresses. VIPs themselves come from the listeners." },

	{ "interfaces[].name", CONFIG_TYPE_NAME, .value_text = "the device", .restart = true,
	  .text = "The interface's name in statistics and the API." },
	{ "interfaces[].dpdk", CONFIG_TYPE_OTHER, .restart = true,
	  .value_text = "**required**, but not with `datapath: xdp`",
	  .allowed = "\"af_xdp:IFNAME\", \"af_packet:IFNAME\", \"pci:ADDRESS\" or \"vdev:NAME,OPTIONS\"",
	  .text = "What DPDK opens: an interface through AF_XDP (NICs and veth) or AF_PACKET, a PCI "
		  "device, or a DPDK virtual device (only from a file that root owns and nobody else may "
		  "write)." },
	{ "interfaces[].xdp", CONFIG_TYPE_IFNAME, IN(config_interface, xdp), 
	  .value_text = "the IFNAME of `dpdk`; **required** with `datapath: xdp` where that has none",
	  .text = "The kernel's name of the same interface, for the XDP datapath." },
	{ "interfaces[].queues", CONFIG_TYPE_NUMBER, IN(config_interface, port.queues), .min = 1,
	  .max = SL_WORKERS_MAX, .special = "auto", .value = "auto", .restart = true,
	  .text = "Receive queues. `auto`: one for each worker." },
	{ "interfaces[].mtu", CONFIG_TYPE_NUMBER, IN(config_interface, port.mtu), .min = 576, .max = 9702,
	  .special = "auto", .value = "auto", .restart = true,
	  .text = "Bytes of the largest IP packet. `auto`: as the interface has it." },

	{ "dpdk.workers", CONFIG_TYPE_OTHER, .value_text = "[1], or [0] on a machine with one CPU",
	  .restart = true, .allowed = "a list of different CPU numbers, at most 64",
	  .text = "CPUs that forward, one worker on each." },
	{ "dpdk.manager", CONFIG_TYPE_NUMBER, IN(config, boot.manager_cpu), .max = 1023, .special = "any",
	  .special_value = UINT32_MAX, .value = "any", .restart = true,
	  .text = "CPU of sluice-dp's manager thread." },
	{ "dpdk.memory", CONFIG_TYPE_SIZE, IN(config, boot.memory_mb), .min = 64 * MIB,
	  .max = 1024 * 1024 * MIB, .scale = MIB, .special = "auto", .value = "auto", .restart = true,
	  .text = "Memory for packets and tables. `auto`: sluice-dp decides." },
	{ "dpdk.poll", CONFIG_TYPE_WORD, IN(config, boot.poll), .words = polls, .value = "adaptive",
	  .restart = true,
	  .text = "`adaptive` sleeps when idle, `busy` never does." },
	{ "dpdk.hugepages", CONFIG_TYPE_BOOL, IN(config, boot.hugepages), .value = "true", .restart = true,
	  .text = "Use hugepages; without them packets cost more." },
	{ "dpdk.user", CONFIG_TYPE_NAME, IN(config, boot.user), .value = "sluice", .restart = true,
	  .text = "Account that sluice-dp drops to once its ports are open. Where it does not exist, the user "
		  "stays and only the capabilities go." },
	{ "dpdk.attach-timeout", CONFIG_TYPE_DURATION, IN(config, attach_timeout_ms), .min = SECONDS, .max = HOURS,
	  .value = "5s",
	  .text = "With `datapath: auto`: a start of sluiced waits so long for sluice-dp to attach, then the XDP program "
		  "forwards." },

	{ "xdp.attach", CONFIG_TYPE_WORD, IN(config, xdp_attach), .words = attaches, .value = "auto",
	  .text = "In the driver or not at all; in the driver where it can (`auto`); in the kernel's "
		  "stack." },
	{ "xdp.on-stop", CONFIG_TYPE_WORD, IN(config, xdp_on_stop), .words = on_stops, .value = "keep",
	  .text = "What happens to the programs when sluiced stops." },

	{ "announce.device", CONFIG_TYPE_IFNAME, IN(config, announce_device), .special = "none",
	  .value = "sluice0",
	  .text = "The device that holds the VIP addresses, for ARP and for routing daemons. `none`: "
		  "addresses are somebody else's business." },
	{ "announce.withdraw-when", CONFIG_TYPE_WORDS, IN(config, withdraw_when), .words = withdraws,
	  .value_text = "all of them",
	  .text = "When addresses are taken back." },

	{ "limits.mass-removal", CONFIG_TYPE_PERCENT, IN(config, mass_removal_percent), .min = 1,
	  .max = 100, .value = "100%",
	  .text = "A reload that removes more than this share of all backends is refused. 100%: no "
		  "limit." },
	{ "limits.flows", CONFIG_TYPE_COUNT, IN(config, flow_limit), .min = 1024, .max = 256 * MIB,
	  .value = "1M",
	  .text = "Connections that can be remembered; 32 to 64 bytes of shared memory each, taken at start." },
	{ "limits.reply-rate", CONFIG_TYPE_NUMBER, IN(config, reply_rate), .max = 1000000, .value = "1000",
	  .text = "RST, port unreachable and too big a second and worker, together. 0: none. Echo replies are not limited." },

	{ "log.format", CONFIG_TYPE_WORD, IN(config, log_format), .words = log_formats, .value = "text",
	  .text = "One line an event, for people or for programs." },

	{ "checks.*.type", CONFIG_TYPE_WORD, .required = true, IN(config_check, type), .words = check_types,
	  .text = "TCP connect, HTTP request or ICMP echo. `dns` is read, but no pool can use it yet." },
	{ "checks.*.port", CONFIG_TYPE_NUMBER, IN(config_check, port), .min = 1, .max = 65535,
	  .value_text = "the only port of the services that use the pool",
	  .text = "Where probes go." },
	{ "checks.*.interval", CONFIG_TYPE_DURATION, IN(config_check, interval_ms), .min = 100 * MS,
	  .max = HOURS, .value = "2s",
	  .text = "Time between two probes." },
	{ "checks.*.timeout", CONFIG_TYPE_DURATION, IN(config_check, timeout_ms), .min = 10 * MS,
	  .max = HOURS, .value = "1s",
	  .text = "A probe without an answer by then has failed. Not longer than `interval`." },
	{ "checks.*.jitter", CONFIG_TYPE_PERCENT, IN(config_check, jitter_percent), .max = 50,
	  .value = "10%",
	  .text = "How much an interval may vary, so that probes do not march in step." },
	{ "checks.*.rise", CONFIG_TYPE_NUMBER, IN(config_check, rise), .min = 1, .max = 1000, .value = "2",
	  .text = "Passed probes in a row that make a backend up." },
	{ "checks.*.fall", CONFIG_TYPE_NUMBER, IN(config_check, fall), .min = 1, .max = 1000, .value = "3",
	  .text = "Failed probes in a row that make a backend down." },
	{ "checks.*.path", CONFIG_TYPE_TEXT, IN(config_check, path), .min = 1, .max = 1024,
	  .value_text = "/", .allowed = "a path that begins with / and has no blanks",
	  .text = "http: what is requested." },
	{ "checks.*.host", CONFIG_TYPE_TEXT, IN(config_check, host), .min = 1, .max = 255,
	  .value_text = "the backend's address", .allowed = "a host name, with or without a port",
	  .text = "http: the Host header." },
	{ "checks.*.status", CONFIG_TYPE_STATUS, .offset = offsetof(struct config_check, status_min),
	  .width = 2 * sizeof(uint16_t), .min = 100, .max = 599, .value = "200-299",
	  .text = "http: answers that pass." },
	{ "checks.*.body", CONFIG_TYPE_TEXT, IN(config_check, body), .min = 1, .max = 1024,
	  .value_text = "any",
	  .text = "http: a text that the answer must contain." },
	{ "checks.*.query", CONFIG_TYPE_TEXT, IN(config_check, query), .min = 1, .max = 300,
	  .value_text = "none", .allowed = "a name and a record type, such as \"example.net A\"",
	  .text = "dns: what is asked." },

	{ "pools[].name", CONFIG_TYPE_NAME, .required = true, IN(config_pool, name),
	  .text = "Its identity: it goes into the hash." },
	{ "pools[].check", CONFIG_TYPE_OTHER, .value_text = "none: backends are up",
	  .allowed = "a name of checks:, \"tcp [PORT]\", \"http [PATH]\", \"icmp\", or a map with the keys "
		  "of a check",
	  .text = "How the backends are probed." },
	{ "pools[].panic-threshold", CONFIG_TYPE_PERCENT, IN(config_pool, panic_threshold_percent),
	  .max = 100, .value = "0%",
	  .text = "With fewer healthy backends than this share, health is ignored. 0%: never." },
	{ "pools[].slow-start", CONFIG_TYPE_DURATION, IN(config_pool, slow_start_ms), .max = HOURS,
	  .value = "0s",
	  .text = "Time in which a backend that recovered, was drained or is new grows to its full share, in 20 equal "
		  "steps. 0s: at once. Where nobody else serves, it takes everything at once." },
	{ "pools[].min-healthy", CONFIG_TYPE_NUMBER, IN(config_pool, min_healthy), .max = 65535,
	  .value = "0",
	  .text = "With fewer healthy backends the VIP is withdrawn. 0: never." },
	{ "pools[].when-empty", CONFIG_TYPE_WORD, IN(config_pool, when_empty), .words = when_empties,
	  .value = "reject",
	  .text = "No backend is left: TCP RST or port unreachable, or silence." },
	{ "pools[].table-size", CONFIG_TYPE_NUMBER, IN(config_pool, table_size), .min = SL_TABLE_ROWS_MIN,
	  .max = SL_TABLE_ROWS_MAX, .value = "65537", .allowed = "a prime number from 7 to 16777213",
	  .text = "Rows of the lookup table. 100 times the backends or more keeps shares even." },
	{ "pools[].connection-idle", CONFIG_TYPE_OTHER, .allowed = "a map with tcp, quic and udp",
	  .text = "How long a connection may be silent and still be kept together when backends change." },
	{ "pools[].on-down", CONFIG_TYPE_WORD, IN(config_pool, on_down_reset), .words = on_downs,
	  .value = "linger",
	  .text = "What happens to the connections of a backend that goes down: they stay with it for `linger`, since "
		  "probes may be wrong, or they are reset at once." },
	{ "pools[].linger", CONFIG_TYPE_DURATION, IN(config_pool, linger_ms), .max = HOURS, .value = "30s",
	  .text = "How long a backend that went down keeps its connections; new ones go to others at once." },
	{ "pools[].drain-quiet", CONFIG_TYPE_DURATION, IN(config_pool, drain_quiet_ms), .min = SECONDS,
	  .max = 24 * HOURS, .value_text = "the longest `connection-idle` of the traffic that its services carry",
	  .text = "A drained backend that received no packet for so long has no connection left: "
		  "`sluicectl drain --wait` returns then. A shorter time takes connections for ended that are only "
		  "silent." },
	{ "pools[].backends", CONFIG_TYPE_OTHER, .required = true,
	  .allowed = "a list of addresses, or of maps with address, name, weight and role",
	  .text = "Who serves. An address alone is short for a map with only `address`." },

	{ "pools[].connection-idle.tcp", CONFIG_TYPE_DURATION, IN(config_pool, idle_tcp_s), .min = SECONDS,
	  .max = 12 * HOURS, .scale = SECONDS, .value = "1h",
	  .text = "TCP." },
	{ "pools[].connection-idle.quic", CONFIG_TYPE_DURATION, IN(config_pool, idle_quic_s),
	  .min = SECONDS, .max = 12 * HOURS, .scale = SECONDS, .value = "10m",
	  .text = "QUIC." },
	{ "pools[].connection-idle.udp", CONFIG_TYPE_DURATION, IN(config_pool, idle_udp_s), .min = SECONDS,
	  .max = 12 * HOURS, .scale = SECONDS, .value = "150s",
	  .text = "Other UDP." },

	{ "pools[].backends[].name", CONFIG_TYPE_NAME, IN(config_backend, name),
	  .value_text = "its address",
	  .text = "Its identity: it goes into the hash, the address does not." },
	{ "pools[].backends[].address", CONFIG_TYPE_ADDRESS, .required = true, IN(config_backend, address),
	  .text = "Where packets go. In mode `l2` of a network of the interfaces; its family need not be "
		  "the VIP's." },
	{ "pools[].backends[].weight", CONFIG_TYPE_NUMBER, IN(config_backend, weight), .max = 65535,
	  .value = "1",
	  .text = "Its share, relative to the others. 0: no new connections." },
	{ "pools[].backends[].role", CONFIG_TYPE_WORD, IN(config_backend, role), .words = roles,
	  .value = "primary",
	  .text = "A `backup` serves when no primary is left." },

	{ "services[].name", CONFIG_TYPE_NAME, .required = true, IN(config_service, name),
	  .text = "Its identity." },
	{ "services[].listen", CONFIG_TYPE_OTHER, .required = true,
	  .allowed = "\"tcp ADDRESS:PORT\" or \"udp ADDRESS:PORT\", an IPv6 address in brackets, port 1 to "
		  "65535 or *, or a list of these",
	  .text = "What clients connect to. `*` is every port of the address that no other service names: "
		  "an exact port wins." },
	{ "services[].pool", CONFIG_TYPE_OTHER, .value_text = "one of its own, made of `backends`",
	  .allowed = "the name of a pool",
	  .text = "Who serves." },
	{ "services[].check", CONFIG_TYPE_OTHER, .value_text = "none: backends are up",
	  .allowed = "as in pools[].check",
	  .text = "With `backends`: as `pools[].check`." },
	{ "services[].backends", CONFIG_TYPE_OTHER, .value_text = "those of `pool`",
	  .allowed = "as in pools[].backends",
	  .text = "In place of `pool`: makes a pool with the service's name." },
	{ "services[].mode", CONFIG_TYPE_WORD, IN(config_service, mode), .words = modes, .value = "l2",
	  .text = "How packets reach a backend: its MAC address, or an IP-in-IP tunnel." },
	{ "services[].scheduler", CONFIG_TYPE_WORD, IN(config_service, scheduler), .words = schedulers,
	  .value = "maglev",
	  .text = "How backends are chosen." },
	{ "services[].hash", CONFIG_TYPE_WORD, IN(config_service, hash), .words = hashes, .value = "5tuple",
	  .text = "What a packet is hashed by: addresses, ports and protocol, or only the client's "
		  "address." },
	{ "services[].tracking", CONFIG_TYPE_WORD, IN(config_service, tracking), .words = trackings,
	  .value = "changed-rows",
	  .text = "Which connections are remembered." },
	{ "services[].udp-flows", CONFIG_TYPE_WORD, IN(config_service, udp_flows), .words = udp_flows,
	  .value = "sticky",
	  .text = "What UDP packets are: flows kept together, single questions, or QUIC." },

	{ "vips[].address", CONFIG_TYPE_ADDRESS, .required = true, IN(config_vip, address),
	  .text = "The address of a listener." },
	{ "vips[].no-service", CONFIG_TYPE_WORD, IN(config_vip, no_service), .words = no_services,
	  .value = "drop",
	  .text = "What happens to packets to the address that match no service." },
};

static_assert(offsetof(struct config_check, status_max) ==
		      offsetof(struct config_check, status_min) + sizeof(uint16_t),
	      "CONFIG_TYPE_STATUS stores two neighbours");

const struct config_key *config_schema_keys(size_t *ret_count)
{
	*ret_count = sizeof(keys) / sizeof(keys[0]);
	return keys;
}
