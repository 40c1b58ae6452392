// Goes on after a login through a provider: from a page of our own, so that the new cookie comes along.
import { byId } from "./dom.js";

location.replace(byId("go-on").href);
