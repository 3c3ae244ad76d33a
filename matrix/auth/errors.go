package auth

// The ways to be forbidden. They are values so that refusing costs nothing and
// callers can compare them.
var (
	errIncomplete = &Error{"0", "the event has no content hash: it was not made by package event"}

	errCreateHasPrev     = &Error{"1.1", "a create event has predecessors"}
	errCreateRoomDomain  = &Error{"1.2", "the room id and the sender of the create event are of different servers"}
	errCreateHasRoom     = &Error{"1.2", "a create event has a room id"}
	errCreateVersion     = &Error{"1.3", "the room version is not known"}
	errCreateCreators    = &Error{"1.4", "additional_creators is not a list of user ids"}
	errCreateNoCreator   = &Error{"1.4", "a create event has no creator"}
	errNoCreateForRoom   = &Error{"2", "the room id is not that of an accepted create event"}
	errAuthEventTwice    = &Error{"3.1", "two auth events are of the same type and state key"}
	errAuthEventMissing  = &Error{"3.2", "an auth event is not known"}
	errAuthEventNoCreate = &Error{"3.2", "no create event is among the auth events"}

	errAuthEventUnexpected = &Error{"3.2", "an auth event is not one that the event should name"}
	errAuthEventRejected   = &Error{"3.3", "an auth event was rejected"}
	errAuthEventElsewhere  = &Error{"3.5", "an auth event is of another room"}

	errNotFederated = &Error{"4", "the room is closed to other servers"}
	errAliasesState = &Error{"4", "an aliases event has no state key"} // room versions 3 to 5
	errAliasesOwner = &Error{"4", "aliases belong to another server"}  // room versions 3 to 5

	errMemberForm       = &Error{"5.1", "a member event has no state key or no membership"}
	errJoinOther        = &Error{"5.3.2", "a user cannot join for another"}
	errJoinBanned       = &Error{"5.3.3", "the user is banned"}
	errJoinUninvited    = &Error{"5.3.4", "the user is not invited"}
	errJoinAuthoriser   = &Error{"5.3.5.2", "who authorised the join may not invite or is not joined"}
	errJoinRule         = &Error{"5.3.7", "the join rule does not let anybody join"}
	errThirdBanned      = &Error{"5.4.1.1", "the invited user is banned"}
	errThirdUnsigned    = &Error{"5.4.1.2", "a third-party invite has no signed part"}
	errThirdFields      = &Error{"5.4.1.3", "a third-party invite has no mxid or no token"}
	errThirdUser        = &Error{"5.4.1.4", "a third-party invite is for another user"}
	errThirdUnknown     = &Error{"5.4.1.5", "the room has no such third-party invite"}
	errThirdSender      = &Error{"5.4.1.6", "a third-party invite was made by another user"}
	errThirdSignature   = &Error{"5.4.1.8", "no key of the third-party invite signed it"}
	errInviterAbsent    = &Error{"5.4.2", "the inviter is not joined"}
	errInviteeState     = &Error{"5.4.3", "the invited user is joined or banned"}
	errInviteLevel      = &Error{"5.4.5", "the inviter may not invite"}
	errLeaveAbsent      = &Error{"5.5.1", "the user is neither invited, joined nor knocking"}
	errKickerAbsent     = &Error{"5.5.2", "the sender is not joined"}
	errUnbanLevel       = &Error{"5.5.3", "the sender may not unban"}
	errKickLevel        = &Error{"5.5.5", "the sender may not remove this user"}
	errBannerAbsent     = &Error{"5.6.1", "the sender is not joined"}
	errBanLevel         = &Error{"5.6.3", "the sender may not ban this user"}
	errKnockRule        = &Error{"5.7.1", "the join rule does not let anybody knock"}
	errKnockOther       = &Error{"5.7.2", "a user cannot knock for another"}
	errKnockState       = &Error{"5.7.4", "the user is banned, invited or joined"}
	errMembership       = &Error{"5.8", "the membership is not known"}
	errSenderAbsent     = &Error{"6", "the sender is not joined"}
	errThirdInviteLevel = &Error{"7.1", "the sender may not invite"}
	errEventLevel       = &Error{"8", "the sender's power level is too low for this type of event"}
	errStateKeyOwner    = &Error{"9", "the state key is the user id of somebody else"}

	errLevelsInteger = &Error{"10.1", "a power level is not an integer"}
	errLevelsMap     = &Error{"10.2", "events or notifications is not an object of integers"}
	errLevelsUsers   = &Error{"10.3", "users is not an object of user ids and integers"}
	errLevelsCreator = &Error{"10.4", "users contains a creator of the room"}
	errLevelsChange  = &Error{"10.6", "a power level above the sender's own is changed or set"}
	errLevelsEvents  = &Error{"10.7", "the level of an event or a notification above the sender's own is changed or set"}
	errLevelsPeer    = &Error{"10.9", "the level of a user at or above the sender's own is changed"}
	errLevelsTooHigh = &Error{"10.10", "a user gets a level above the sender's own"}
)
