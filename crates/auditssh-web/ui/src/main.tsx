import { render } from "preact";
import { App } from "./app";
import { listenForKeys } from "./keys";
import { followLinks } from "./route";
import { showTheme } from "./theme";
import "asciinema-player/dist/bundle/asciinema-player.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/pages.css";
import "./style/player.css";

showTheme();
followLinks();
listenForKeys();
const page = document.getElementById("page");
if (page) render(<App />, page);
