-- Rooms and their events. Written by homeserver/room only.
--
-- Content is never in a clear column: an event's canonical JSON is sealed under the data key of its room.

create table room (
	nid      bigint not null primary key, -- random; also the key of the room's head
	room_id  text   not null unique,
	version  text   not null,
	creator  text   not null,
	listed   bigint not null default 0    -- 1: in the public room list
);

create table event (
	pos         bigint not null primary key, -- position in the one sequence
	room        bigint not null,             -- room.nid
	event_id    text   not null unique,
	type        text   not null,
	state_key   text,
	sender      text   not null,
	ts          bigint not null,             -- origin_server_ts, milliseconds
	kind        bigint not null,             -- 0 timeline, 1 outlier, 2 rejected, 3 soft-failed, 4 held
	snapshot    bigint not null,             -- room_snapshot.id of the state before the event; 0 none or unknown
	depth       bigint not null,
	rel_type    text,
	rel_target  text,
	replaces    text,                        -- state events: the event whose place it took
	device      text,                        -- local senders: where it was sent from, and the transaction id
	txn         text,
	redacted_by text,
	body        bytea  not null              -- sealed canonical JSON
);
create index event_room on event (room, pos);
create index event_target on event (rel_target, pos) where rel_target is not null;
create unique index event_txn on event (sender, device, room, type, txn) where txn is not null;

-- The state before an event. A snapshot with a parent holds only what differs from it.
create table room_snapshot (
	id     bigint not null primary key,
	room   bigint not null,
	parent bigint not null, -- 0: full
	delta  text   not null  -- [[type, state_key, event_id or ""], ...]
);

-- What the current state of a room was when: one row for each change.
create table room_state (
	room      bigint not null,
	pos       bigint not null, -- of the event that changed it
	type      text   not null,
	state_key text   not null,
	event_id  text,            -- null: no such state any more
	primary key (room, type, state_key, pos)
);
create index room_state_pos on room_state (room, pos);

create table room_member (
	user_id    text   not null,
	room       bigint not null,
	membership text   not null,
	event_id   text   not null,
	sender     text   not null,
	pos        bigint not null, -- of the membership event
	forgotten  bigint not null default 0,
	primary key (user_id, room)
);
create index room_member_room on room_member (room, membership);

-- Rooms whose replacement exists and that do not say so yet.
create table room_upgrade (
	room_id     text not null primary key,
	replacement text not null,
	user_id     text not null -- who upgraded it
);

create table room_alias (
	alias   text   not null primary key,
	room    bigint not null,
	creator text   not null,
	ts      bigint not null
);
create index room_alias_room on room_alias (room);

-- Predecessors that an event of another server names and that are not here.
create table event_missing (
	room       bigint not null,
	missing_id text   not null,
	event_id   text   not null, -- the held event that waits for it
	primary key (missing_id, event_id)
);
create index event_missing_event on event_missing (event_id);
