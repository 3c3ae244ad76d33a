-- Invitations that wait for somebody to prove an e-mail address. Written by homeserver/promise only.
create table promise (
	token   text   not null primary key, -- random; state key of the event in the room
	address text   not null,             -- keyed hash, as in account_addresses
	room_id text   not null,
	sender  text   not null,
	expires bigint not null              -- milliseconds
);
create index promise_address on promise (address, room_id);
create index promise_expires on promise (expires);
