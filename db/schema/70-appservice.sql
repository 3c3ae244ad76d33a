-- How far each application service is. Written by homeserver/appservice only.
create table appservice (
	id         text   not null primary key, -- of the registration
	pos        bigint not null,             -- events up to it were sent
	until      bigint not null,             -- end of the transaction under way; 0: none
	holder     text   not null,             -- process that sends
	held_until bigint not null              -- milliseconds; another process may take over then
);
