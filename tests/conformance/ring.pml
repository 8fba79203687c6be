/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The protocol of sluice/ring.h, controlplane/publish_ring.c and dataplane/feed.c, small enough to try
 * every interleaving. Two objects with a version each are the facts; a generation is complete with a
 * COMMIT that carries the number of records before it. Either end may be killed between any two steps:
 * the consumer starts again from its image, the producer with a new file. Checked:
 *   - a snapshot is exactly what one commit stated: nothing lost, nothing torn, nothing applied twice
 *     (a record taken twice breaks the count);
 *   - generations never go back;
 *   - when nothing can move any more, both ends agree on the newest generation.
 * Variants that must fail: -DBREAK_ORDER (the head moves before the slot is written), -DBREAK_ROOM (the
 * producer uses one slot too many), -DBREAK_RESET (a new consumer does not wait for a RESET),
 * -DBREAK_REPLAY (only the first HELLO is answered), -DBREAK_SWITCH (a new file is not noticed).
 */
#define SLOTS 2
#ifndef CHANGES
#define CHANGES 2
#endif
#ifndef CONSUMER_KILLS
#define CONSUMER_KILLS 2
#endif
#ifndef PRODUCER_KILLS
#define PRODUCER_KILLS 1
#endif
#define FILES (PRODUCER_KILLS + 1)

#ifdef BREAK_ROOM
#define ROOM (SLOTS + 1)
#else
#define ROOM SLOTS
#endif

#define RESET 1
#define PUT 2
#define COMMIT 3
#define NOBODY 255

/* The files; slot i of file f is f * SLOTS + i. `hello` and `applied` stand for the ring that goes back. */
byte kind[FILES * SLOTS], object[FILES * SLOTS], value[FILES * SLOTS], commit[FILES * SLOTS], sequence[FILES * SLOTS];
byte head[FILES], tail[FILES];
bool hello[FILES];
byte applied[FILES];
byte image[FILES];     /* generation that the image holds; 0: none */
byte current = NOBODY; /* the file that has the name */

/* The state file: survives the producer. history[g] is what was stated at generation g. */
byte version[2];
byte generation = 1;
byte history[CHANGES + 2];
byte changes = CHANGES;

byte held;             /* what the workers forward by */
bool kill_producer, kill_consumer;

#define PACK(a, b) ((a) * 16 + (b))
#define SLOT(file, position) ((file) * SLOTS + (position) % SLOTS)
#define HAS_ROOM (position - tail[file] < ROOM)

/* sl_ring_push: the bytes (two steps stand for many), then the head. */
inline push(what, which, number, gen) {
#ifdef BREAK_ORDER
	head[file] = position + 1;
#endif
	sequence[SLOT(file, position)] = position;
	d_step {
		kind[SLOT(file, position)] = what;
		object[SLOT(file, position)] = which;
		value[SLOT(file, position)] = number;
		commit[SLOT(file, position)] = gen
	};
	d_step { position++; head[file] = position }
}

proctype producer() {
	byte file = 0, position, records, told;
	bool dirty0, dirty1, replay, attached;

begin:
	{
		d_step { /* a new file, whole before it gets the name; the facts as the state file has them */
			position = 0; records = 0; told = 0; replay = false; attached = false;
			dirty0 = true; dirty1 = true;
			sequence[SLOT(file, 0)] = NOBODY; sequence[SLOT(file, 1)] = NOBODY;
			history[generation] = PACK(version[0], version[1])
		}
		current = file;
end_serve:
		do
		:: atomic { hello[file] ->
			hello[file] = false;
#ifdef BREAK_REPLAY
			replay = !attached;
#else
			replay = true;
#endif
			attached = true }
		:: replay && HAS_ROOM ->
			push(RESET, 0, 0, 0);
			d_step { replay = false; records = 0; told = 0; dirty0 = true; dirty1 = true }
		:: attached && !replay && dirty0 && HAS_ROOM ->
			push(PUT, 0, version[0], 0);
			d_step { dirty0 = false; records++ }
		:: attached && !replay && !dirty0 && dirty1 && HAS_ROOM ->
			push(PUT, 1, version[1], 0);
			d_step { dirty1 = false; records++ }
		:: attached && !replay && !dirty0 && !dirty1 && told != generation && HAS_ROOM ->
			push(COMMIT, 0, records, generation);
			d_step { told = generation; records = 0 }
		:: atomic { changes > 0 -> /* the model changes, and commits */
			changes--;
			if
			:: version[0]++; dirty0 = true
			:: version[0]++; dirty0 = true; version[1]++; dirty1 = true
			fi;
			generation++;
			history[generation] = PACK(version[0], version[1]) }
		od
	} unless { atomic { kill_producer -> kill_producer = false; file++ } };
	goto begin
}

proctype consumer() {
	byte mine, position, records, have0, have1;
	byte got, which, number, gen, place;
	bool waits;

begin:
	{
		held = 0;
attach:
		atomic { /* maps what has the name, restores the image, says HELLO */
			current != NOBODY ->
			mine = current;
			have0 = 0; have1 = 0; records = 0;
			position = tail[mine];
			if :: image[mine] > held -> held = image[mine] :: else fi;
#ifdef BREAK_RESET
			waits = false;
#else
			waits = true;
#endif
			hello[mine] = true
		};
end_poll:
		do
#ifndef BREAK_SWITCH
		:: mine != current -> goto attach
#endif
		:: head[mine] != position ->
			/* the copy, byte by byte as far as anybody can tell; then the slot goes back; then the checks */
			place = sequence[SLOT(mine, position)];
			d_step {
				got = kind[SLOT(mine, position)];
				which = object[SLOT(mine, position)];
				number = value[SLOT(mine, position)];
				gen = commit[SLOT(mine, position)]
			};
			d_step { position++; tail[mine] = position };
			assert(place == position - 1); /* nobody flips bytes here: a torn record is the protocol's fault */
			if
			:: got == RESET -> d_step { waits = false; records = 0; have0 = 0; have1 = 0 }
			:: got == PUT && !waits ->
				d_step {
					if :: which == 0 -> have0 = number :: else -> have1 = number fi;
					records++
				}
			:: got == PUT && waits
			:: got == COMMIT && waits -> hello[mine] = true
			:: got == COMMIT && !waits ->
				d_step {
					assert(records == number);                  /* none lost, none twice */
					assert(history[gen] == PACK(have0, have1)); /* exactly what was stated */
					assert(gen >= held);                        /* never back */
					records = 0;
					image[mine] = gen /* one word, written last */
				};
				d_step { held = gen; applied[mine] = gen }
			fi;
			d_step { got = 0; which = 0; number = 0; gen = 0; place = 0 } /* only to have fewer states */
		od
	} unless { atomic { kill_consumer -> kill_consumer = false } };
	goto begin
}

proctype killer() {
	byte consumers = CONSUMER_KILLS, producers = PRODUCER_KILLS;

	do
	:: consumers > 0 -> consumers--; kill_consumer = true; !kill_consumer
	:: producers > 0 -> producers--; kill_producer = true; !kill_producer
	:: consumers == 0 && producers == 0 -> break
	od
}

/* Nothing moves: then everything stated has arrived. */
proctype judge() {
	timeout;
	assert(changes == 0 && held == generation && applied[current] == generation)
}

init {
	atomic { run producer(); run consumer(); run killer(); run judge() }
}
