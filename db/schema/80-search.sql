-- Where words occur in rooms, written by homeserver/search only. A row covers what came after first and up to last.

create table search_block (
	room_id text   not null,
	first   bigint not null, -- position
	last    bigint not null, -- position
	words   bytea  not null, -- keyed hashes of words and where they occur, sealed under the key of the room
	primary key (room_id, first)
);
