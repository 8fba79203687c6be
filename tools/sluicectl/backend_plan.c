/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a target and options to a plan: lists without doubles, defaults, and what does not go together.
 */
#include "backend_plan.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/config_value.h"

#ifndef SLUICE_DECAP_OBJECT
#define SLUICE_DECAP_OBJECT "/usr/local/lib/sluice/decap.bpf.o"
#endif

enum { ITEM_MAX = 96, MTU_MIN = 1280, MTU_MAX = 65535, MSS_MIN = 536 };

__attribute__((format(printf, 1, 2))) static enum ctl_exit refuse(const char *format, ...)
{
	va_list args;

	fputs("sluicectl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return CTL_REFUSED;
}

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sl_addr));
}

static enum ctl_exit add_own(struct backend_plan *plan, const struct sl_addr *own)
{
	for (size_t i = 0; i < plan->own_count; i++)
		if (sl_addr_equal(&plan->own[i], own))
			return CTL_DONE;
	if (plan->own_count == SL_DECAP_OWN_MAX)
		return refuse("the backend has more than %d addresses: tunnels can end at so many", SL_DECAP_OWN_MAX);
	plan->own[plan->own_count++] = *own;
	return CTL_DONE;
}

static enum ctl_exit add_from(struct backend_plan *plan, const struct sl_addr *addr, unsigned int prefix_len)
{
	for (size_t i = 0; i < plan->from_count; i++)
		if (plan->from[i].prefix_len == prefix_len && memcmp(&plan->from[i].addr, addr, sizeof(*addr)) == 0)
			return CTL_DONE;
	if (plan->from_count == SL_DECAP_SOURCES_MAX)
		return refuse("--from has more than %d networks: give larger ones", SL_DECAP_SOURCES_MAX);
	plan->from[plan->from_count].prefix_len = prefix_len;
	plan->from[plan->from_count++].addr = *addr;
	return CTL_DONE;
}

/* VIPs, families and own addresses. */
static enum ctl_exit take_target(const struct backend_target *target, struct backend_plan *plan)
{
	size_t kept = 0;

	plan->vips = calloc(target->count, sizeof(*plan->vips));
	if (plan->vips == NULL)
		return refuse("no memory");
	for (size_t i = 0; i < target->count; i++) {
		const struct backend_listener *listener = &target->listeners[i];

		plan->vips[i] = listener->vip;
		if (listener->mode != SL_MODE_IPIP)
			continue;
		plan->ipip = true;
		*(sl_addr_is_v4(&listener->vip) ? &plan->inner_v4 : &plan->inner_v6) = true;
		if (!backend_address_is_set(&listener->address))
			return refuse(
				"--address is missing: in mode ipip say the backend's own address, where tunnels end");
		if (add_own(plan, &listener->address) != CTL_DONE)
			return CTL_REFUSED;
	}
	qsort(plan->vips, target->count, sizeof(*plan->vips), compare_addresses);
	for (size_t i = 0; i < target->count; i++)
		if (i == 0 || !sl_addr_equal(&plan->vips[i], &plan->vips[kept - 1]))
			plan->vips[kept++] = plan->vips[i];
	plan->vip_count = kept;
	return kept <= SL_DECAP_VIPS_MAX
		       ? CTL_DONE
		       : refuse("more than %d VIPs: one backend cannot hold so many", SL_DECAP_VIPS_MAX);
}

/* "198.51.100.0/24", "2001:db8::1", "any". */
static enum ctl_exit take_network(char *text, struct backend_plan *plan)
{
	char *slash = strchr(text, '/');
	struct config_reason why;
	struct sl_addr addr;
	uint64_t len = 128;

	if (strcmp(text, "any") == 0) {
		const struct sl_addr zero = {.d = {0, 0}};

		return add_from(plan, &zero, 0);
	}
	if (slash != NULL)
		*slash = 0;
	if (!config_value_address(text, &addr, &why))
		return refuse("--from %s: %s; allowed: addresses, networks such as 198.51.100.0/24, any", text,
			      why.text);
	if (slash != NULL && (!config_value_number(slash + 1, &len, &why) || len > (sl_addr_is_v4(&addr) ? 32 : 128)))
		return refuse("--from %s/%s: no such prefix length", text, slash + 1);
	if (slash != NULL && sl_addr_is_v4(&addr))
		len += 96;
	for (unsigned int bit = (unsigned int)len; bit < 128; bit++)
		addr.b[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return add_from(plan, &addr, (unsigned int)len);
}

static enum ctl_exit take_sources(const struct ctl_options *options, const struct backend_target *target,
				  struct backend_plan *plan)
{
	const char *list = options->backend[CTL_BACKEND_FROM];
	enum ctl_exit result = CTL_DONE;
	char item[ITEM_MAX];
	int more = 0;

	while (list != NULL && result == CTL_DONE && (more = backend_list_next(&list, item, sizeof(item))) > 0)
		result = take_network(item, plan);
	if (more < 0)
		return refuse("--from has an address that is too long: separate them by commas");
	if (plan->from_count > 0 || result != CTL_DONE)
		return result;
	if (target->name[0] == 0)
		return refuse("--from is missing: the addresses that balancers send tunnels from (sluicectl knows its "
			      "own for a "
			      "BACKEND of its configuration), or any");
	for (size_t i = 0; i < target->count && result == CTL_DONE; i++) {
		const struct backend_listener *listener = &target->listeners[i];
		struct sl_addr source = listener->outer_source;
		char text[INET6_ADDRSTRLEN];

		if (listener->mode != SL_MODE_IPIP)
			continue;
		if (!backend_address_is_set(&source)) {
			config_format_address(&listener->address, text, sizeof(text));
			if (backend_source_towards(&listener->address, &source) < 0)
				return refuse("no route to %s from here: say --from, the addresses of the balancers",
					      text);
		}
		result = add_from(plan, &source, 128);
	}
	return result;
}

static enum ctl_exit take_number(const char *option, const char *text, unsigned int min, unsigned int max,
				 unsigned int *ret)
{
	struct config_reason why;
	uint64_t number;

	if (text == NULL)
		return CTL_DONE;
	if (!config_value_number(text, &number, &why) || number < min || number > max)
		return refuse("%s %s: allowed: %u to %u bytes", option, text, min, max);
	*ret = (unsigned int)number;
	return CTL_DONE;
}

/* A path that stands in scripts as it is. */
static enum ctl_exit take_path(const char *option, const char *text, const char *otherwise, const char **ret)
{
	*ret = text != NULL ? text : otherwise;
	if (**ret != '/')
		return refuse("%s %s: allowed: a path from the root", option, *ret);
	for (const char *c = *ret; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("/._+-", *c))
			return refuse("%s %s: allowed: letters, digits and / . _ + -", option, *ret);
	return CTL_DONE;
}

static enum ctl_exit take_tunnel(const struct ctl_options *options, struct backend_plan *plan)
{
	static const char *const names[] = {"kernel", "xdp", "xdp-generic", "tc"};
	const char *text = options->backend[CTL_BACKEND_TUNNEL];
	const char *device = options->backend[CTL_BACKEND_DEVICE];
	struct config_reason why;
	size_t kind = 0;

	while (text != NULL && kind < 4 && strcmp(text, names[kind]) != 0)
		kind++;
	if (kind == 4)
		return refuse("--tunnel %s: allowed: kernel, xdp, xdp-generic, tc", text);
	plan->tunnel = (enum backend_tunnel)kind;
	if (device != NULL && !config_value_ifname(device, strlen(device), &why))
		return refuse("--device %s: it %s", device, why.text);
	if (device != NULL)
		snprintf(plan->device, sizeof(plan->device), "%s", device);
	if (device == NULL && backend_plan_has_program(plan))
		return refuse("--device is missing: the interface of the backend where tunnel packets come in");
	if (device == NULL && options->backend[CTL_BACKEND_MTU] != NULL)
		return refuse("--mtu needs --device: the interface of the backend whose MTU it is");
	for (size_t i = 0; i < plan->from_count && plan->ipip && plan->tunnel == BACKEND_TUNNEL_KERNEL; i++)
		if (plan->from[i].prefix_len != 128 && plan->from[i].prefix_len != 0)
			return refuse("--from: a tunnel device of the kernel is for one balancer: list their "
				      "addresses, or any, or "
				      "take --tunnel xdp");
	return CTL_DONE;
}

enum ctl_exit backend_plan_make(const struct ctl_options *options, const struct backend_target *target,
				struct backend_plan *ret_plan)
{
	struct backend_plan plan = {.tunnel = BACKEND_TUNNEL_KERNEL};
	enum ctl_exit result = take_target(target, &plan);

	snprintf(plan.what, sizeof(plan.what), "%s%s", target->name[0] ? "backend " : "a backend", target->name);
	if (result == CTL_DONE && plan.ipip)
		result = take_sources(options, target, &plan);
	if (result == CTL_DONE)
		result = take_tunnel(options, &plan);
	if (result == CTL_DONE)
		result = take_path("--object", options->backend[CTL_BACKEND_OBJECT], SLUICE_DECAP_OBJECT, &plan.object);
	if (result == CTL_DONE)
		result = take_path("--state", options->backend[CTL_BACKEND_STATE], "/run/sluice-backend", &plan.state);
	if (result == CTL_DONE)
		result = take_number("--mtu", options->backend[CTL_BACKEND_MTU], MTU_MIN, MTU_MAX, &plan.mtu);
	if (result == CTL_DONE)
		result = take_number("--mss", options->backend[CTL_BACKEND_MSS], MSS_MIN, MTU_MAX, &plan.mss);
	if (result == CTL_DONE)
		*ret_plan = plan;
	else
		backend_plan_free(&plan);
	return result;
}

void backend_plan_free(struct backend_plan *plan)
{
	free(plan->vips);
	plan->vips = NULL;
}

bool backend_plan_has_program(const struct backend_plan *plan)
{
	return plan->ipip && plan->tunnel != BACKEND_TUNNEL_KERNEL;
}

/* FNV-1a of both addresses: a name that does not depend on their order in a list. */
static uint32_t hash_addresses(const struct backend_tunnel_device *device)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < 32; i++)
		hash = (hash ^ (i < 16 ? device->local.b[i] : device->remote.b[i - 16])) * 16777619u;
	return hash;
}

bool backend_plan_device(const struct backend_plan *plan, size_t index, struct backend_tunnel_device *ret_device)
{
	static const struct {
		const char *prefix, *kind, *mode;
	} kinds[] = {{"sl44", "ipip", "ipip"}, {"sl64", "sit", "ip6ip"}, {"slt6", "ip6tnl", "any"}};

	if (!plan->ipip || plan->tunnel != BACKEND_TUNNEL_KERNEL)
		return false;
	for (size_t i = 0; i < plan->own_count; i++) {
		const bool v4 = sl_addr_is_v4(&plan->own[i]);

		for (size_t j = 0; j < plan->from_count; j++) {
			const bool any = plan->from[j].prefix_len == 0;

			if (!any && sl_addr_is_v4(&plan->from[j].addr) != v4)
				continue;
			for (size_t kind = v4 ? 0 : 2; kind < (v4 ? 2u : 3u); kind++) {
				if ((kind == 0 && !plan->inner_v4) || (kind == 1 && !plan->inner_v6) || index-- > 0)
					continue;
				*ret_device = (struct backend_tunnel_device){.kind = kinds[kind].kind,
									     .mode = kinds[kind].mode,
									     .local = plan->own[i],
									     .remote = plan->from[j].addr};
				snprintf(ret_device->name, sizeof(ret_device->name), "%s%08x", kinds[kind].prefix,
					 hash_addresses(ret_device));
				return true;
			}
		}
	}
	return false;
}
