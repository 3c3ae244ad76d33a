package mail

// texts are the letters by language.
var texts = map[string]map[Kind]words{
	"en": {
		Adding: {
			"Confirm your e-mail address",
			"Somebody who is signed in to {server} wants to add this e-mail address to their account. If that is you, confirm it.",
			"Confirm the address",
			"If it is not you, do nothing: without your confirmation the address is not added. The link works for four hours.",
		},
		Registering: {
			"Confirm your e-mail address",
			"Somebody is making an account on {server} with this e-mail address. If that is you, confirm it and then go on where you began.",
			"Confirm the address",
			"If it is not you, do nothing: without your confirmation no account gets this address. The link works for four hours.",
		},
		Resetting: {
			"Set a new password",
			"Somebody asked to set a new password for your account on {server}. Only if that was you, just now: confirm it, then go on where you began.",
			"Confirm and go on",
			"Whoever asked can set your password once you confirm. If it was not you, do not confirm and delete this letter: nothing changes. The link works for four hours.",
		},
		Taken: {
			"This address already has an account",
			"Somebody wanted to use this e-mail address on {server}. It already belongs to an account there, so nothing was changed.",
			"Open {server}",
			"If that was you, sign in with this address; if you do not know your password any more, ask for a new one there.",
		},
		Stranger: {
			"No account has this address",
			"Somebody asked for a new password for this e-mail address on {server}. No account there has this address, so nothing was changed.",
			"Open {server}",
			"If that was you, try your other addresses, or ask whoever looks after the server. If it was not you, you can delete this letter.",
		},
		Invited: {
			"You are invited to {server}",
			"{who} invites you to a conversation on {server}.",
			"Open {server}",
			"When you have an account there with this e-mail address, the invitation is waiting for you. If you do not know who invites you, you can delete this letter.",
		},
		Unread: {
			"You have unread messages",
			"You have unread messages in {count} conversations on {server}.",
			"Read them",
			"What they say is not in this letter, so that nobody else reads it. You can switch these letters off in the settings for notifications.",
		},
	},
	"de": {
		Adding: {
			"Bestätigen Sie Ihre E-Mail-Adresse",
			"Jemand, der bei {server} angemeldet ist, möchte diese E-Mail-Adresse seinem Konto hinzufügen. Wenn Sie das sind, bestätigen Sie es.",
			"Adresse bestätigen",
			"Wenn Sie es nicht sind, tun Sie nichts: Ohne Ihre Bestätigung wird die Adresse nicht hinzugefügt. Der Link gilt vier Stunden.",
		},
		Registering: {
			"Bestätigen Sie Ihre E-Mail-Adresse",
			"Jemand legt bei {server} ein Konto mit dieser E-Mail-Adresse an. Wenn Sie das sind, bestätigen Sie es und machen Sie dann dort weiter, wo Sie begonnen haben.",
			"Adresse bestätigen",
			"Wenn Sie es nicht sind, tun Sie nichts: Ohne Ihre Bestätigung bekommt kein Konto diese Adresse. Der Link gilt vier Stunden.",
		},
		Resetting: {
			"Neues Passwort festlegen",
			"Jemand möchte für Ihr Konto bei {server} ein neues Passwort festlegen. Nur wenn Sie selbst das gerade waren: Bestätigen Sie es und machen Sie dann dort weiter, wo Sie begonnen haben.",
			"Bestätigen und weiter",
			"Wer danach gefragt hat, kann Ihr Passwort festlegen, sobald Sie bestätigen. Wenn Sie es nicht waren, bestätigen Sie nicht und löschen Sie diesen Brief: Es ändert sich nichts. Der Link gilt vier Stunden.",
		},
		Taken: {
			"Diese Adresse hat schon ein Konto",
			"Jemand wollte diese E-Mail-Adresse bei {server} verwenden. Sie gehört dort schon zu einem Konto, deshalb wurde nichts geändert.",
			"{server} öffnen",
			"Wenn Sie das waren, melden Sie sich mit dieser Adresse an; wenn Sie Ihr Passwort nicht mehr wissen, fordern Sie dort ein neues an.",
		},
		Stranger: {
			"Kein Konto hat diese Adresse",
			"Jemand hat bei {server} ein neues Passwort für diese E-Mail-Adresse angefordert. Kein Konto hat dort diese Adresse, deshalb wurde nichts geändert.",
			"{server} öffnen",
			"Wenn Sie das waren, versuchen Sie es mit Ihren anderen Adressen oder fragen Sie, wer den Server betreut. Wenn nicht, können Sie diesen Brief löschen.",
		},
		Invited: {
			"Einladung zu {server}",
			"{who} lädt Sie zu einer Unterhaltung bei {server} ein.",
			"{server} öffnen",
			"Wenn Sie dort ein Konto mit dieser E-Mail-Adresse haben, wartet die Einladung auf Sie. Wenn Sie nicht wissen, wer Sie einlädt, können Sie diesen Brief löschen.",
		},
		Unread: {
			"Sie haben ungelesene Nachrichten",
			"Sie haben ungelesene Nachrichten in {count} Unterhaltungen bei {server}.",
			"Lesen",
			"Was darin steht, ist nicht in diesem Brief, damit niemand sonst es liest. Diese Briefe können Sie in den Einstellungen für Benachrichtigungen abschalten.",
		},
	},
}

// oneConversation is the lead of Unread for one.
var oneConversation = map[string]string{
	"en": "You have unread messages in one conversation on {server}.",
	"de": "Sie haben ungelesene Nachrichten in einer Unterhaltung bei {server}.",
}
