import { Preferences } from "../store/Preferences.ts";
import { fetchSentences, languageOf } from "./language.ts";

// Runs beside the app while that is still on its way: its sentences need not wait for it.
fetchSentences(languageOf(new Preferences(localStorage).snapshot.language, navigator.languages)).catch(() => undefined); // the app asks too
