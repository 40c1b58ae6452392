// Goes on after a login through a provider: from a page of our own, so that the new cookie comes along.
import { byId } from "./dom.js";

const fragment = sessionStorage.getItem("autoseg fragment") ?? ""; // kept by the login page
sessionStorage.removeItem("autoseg fragment");
location.replace(byId("go-on").href + fragment);
