/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What to say when the kernel refuses a BPF map, program or attachment: the cause as far as it can be told, and the
 * remedy, in one line. Main thread only.
 */
#ifndef CONTROLPLANE_BPF_REFUSAL_H
#define CONTROLPLANE_BPF_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

#include "error_text.h"

struct bpf_refusal_text {
	char text[224];
};

/* True when one of the capabilities that XDP programs need is not effective here. */
bool bpf_refusal_lacks_capability(void);
/* ": the cause; the remedy" of a map or an attachment that got -errno `err`. */
struct bpf_refusal_text bpf_refusal_cause(int err);
/*
 * Of a program that was not loaded. `release` is the kernel's (uname -r), `log` what its verifier wrote (empty: nothing),
 * whose last lines are shown; `lacks`: see above. Returns `err`. Pure.
 */
int bpf_refusal_of_program(int err, const char *release, const char *log, bool lacks, struct error_text *reterr);

#endif
