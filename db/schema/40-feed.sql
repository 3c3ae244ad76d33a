-- What each device has not seen yet. Written by homeserver/feed only.

-- The newest receipt of a person per room, type and thread.
create table feed_receipt (
	room_id   text   not null,
	user_id   text   not null,
	type      text   not null, -- m.read or m.read.private
	thread    text   not null, -- id of the thread's root, "main", or empty: the whole room
	event_id  text   not null,
	event_pos bigint not null, -- position of that event
	ts        bigint not null, -- milliseconds
	pos       bigint not null, -- position of the receipt in the one sequence
	primary key (room_id, user_id, type, thread)
);
create index feed_receipt_pos on feed_receipt (pos);

-- Threads that people subscribed to, or unsubscribed from after that.
create table feed_thread (
	room_id   text   not null,
	thread    text   not null, -- id of its root
	user_id   text   not null,
	automatic bigint not null, -- 1: a client subscribed by itself
	began     bigint not null, -- position at which the newest subscription began
	ended     bigint not null, -- and at which it ended; 0: it did not
	pos       bigint not null, -- of the newest change in the one sequence
	primary key (room_id, thread, user_id)
);
create index feed_thread_pos on feed_thread (pos);
create index feed_thread_user on feed_thread (user_id, pos);

-- Messages that wait for a device; removed when the device has acknowledged their position.
create table feed_to_device (
	user_id   text   not null,
	device_id text   not null,
	pos       bigint not null,
	body      bytea  not null, -- sealed {sender, type, content}
	primary key (user_id, device_id, pos)
);
create index feed_to_device_pos on feed_to_device (pos);

-- Which to-device requests of a device were carried out. Rows older than some days are removed.
create table feed_to_device_txn (
	user_id   text   not null,
	device_id text   not null,
	txn       text   not null, -- event type and transaction id
	ts        bigint not null,
	primary key (user_id, device_id, txn)
);
create index feed_to_device_txn_ts on feed_to_device_txn (ts);

-- What changed about a person, newest position per thing: account data, device lists, key counts.
create table feed_change (
	user_id text   not null,
	kind    text   not null,
	room_id text   not null, -- account data of a room; else empty
	name    text   not null, -- account data: its type; key counts: the device
	pos     bigint not null,
	primary key (user_id, kind, room_id, name)
);
create index feed_change_pos on feed_change (pos);
create index feed_change_user on feed_change (user_id, pos);

create table feed_pusher (
	user_id    text   not null,
	app_id     text   not null,
	pushkey    text   not null, -- keyed hash; the key itself is in body
	device_id  text   not null,
	token      bigint not null, -- access token that made it
	body       bytea  not null, -- sealed pusher as the client set it
	set_at     bigint not null, -- milliseconds
	pos        bigint not null, -- events up to it were pushed
	told       bigint not null, -- milliseconds: when the newest letter was written; 0: none
	holder     text   not null, -- boot id of the process that is pushing, or empty
	held_until bigint not null, -- milliseconds; another process may take over then
	primary key (app_id, pushkey, user_id)
);
create index feed_pusher_user on feed_pusher (user_id);
