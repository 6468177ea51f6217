"""What the demo asks, and of which models: of simulated Ollamas, or of real ones."""

import json
import urllib.error
import urllib.request

from demo_cluster import DemoError

SPEED = 4  # the simulated boards run this many times faster than real ones

# A simulated Ollama has no model: it repeats what follows "echo". The speeds are those of a Pi.
PI_5 = {"gemma3:1b": "size=815MB,load=2s,prompt_tps=60,gen_tps=11.5",
        "qwen2.5:0.5b": "size=398MB,load=1.2s,prompt_tps=120,gen_tps=20",
        "all-minilm": "kind=embed,size=46MB,load=300ms,prompt_tps=900,dim=384,family=bert"}
PI_4 = {"gemma3:1b": "size=815MB,load=19s,prompt_tps=9.5,gen_tps=4",
        "qwen2.5:0.5b": "size=398MB,load=10s,prompt_tps=19,gen_tps=8",
        "all-minilm": "kind=embed,size=46MB,load=2s,prompt_tps=150,dim=384,family=bert"}
NODES = [  # name, board, models, sensors
    ("pi-1", "pi5", [f"{m},{PI_5[m]}" for m in ("gemma3:1b", "all-minilm")],
     {"temp": 48.3, "ram_used_pct": 41.0}),
    ("pi-2", "pi5", [f"{m},{PI_5[m]}" for m in ("gemma3:1b", "qwen2.5:0.5b")],
     {"temp": 61.7, "ram_used_pct": 35.0}),
    ("pi-3", "pi4", [f"{m},{PI_4[m]}" for m in ("gemma3:1b", "qwen2.5:0.5b", "all-minilm")],
     {"temp": 55.5, "ram_used_pct": 58.0}),
]

SKY = ("Sunlight holds all colours. The air scatters the short waves, blue and violet, far more "
       "than the long ones, and our eyes see blue better than violet.")
HAIKU = "Four small boards at night, each holds a part of the words, the queue forgets none."
TEA = "Boil the water, warm the pot, take one spoon of tea for each cup, and wait four minutes."
GREEN = "For green tea let the water cool down to eighty degrees first, and wait only two minutes."
STORY = ("Once upon a time a small computer lived on a shelf and answered every question that came "
         "by. It had a fan and a green light, and it was never in a hurry. One evening, while it "
         "told a child about the sea, somebody stumbled over its cable, in the middle of a "
         "sentence. Its neighbours heard nothing from it any more, waited a moment, took the "
         "question and told the whole story from the beginning, and whoever had asked got one "
         "answer, complete, and never a second one.")


class Mix:
    """Models and words; `limit` bounds the answers of real models."""

    def __init__(self, chat, other, embed, simulated):
        self.chat, self.other, self.embed, self.simulated = chat, other, embed, simulated
        self.timeout_s = 60 if simulated else 900

    def words(self, question, answer):
        """What to ask: a simulated Ollama is told what to say."""
        return f"echo {answer}" if self.simulated else question

    def message(self, question, answer):
        return {"role": "user", "content": self.words(question, answer)}

    def limit(self, tokens):
        return {} if self.simulated else {"params": {"options": {"num_predict": tokens}}}


def simulated_mix():
    return Mix("gemma3:1b", "qwen2.5:0.5b", "all-minilm", True)


def _tags(url):
    try:
        with urllib.request.urlopen(url.rstrip("/") + "/api/tags", timeout=10) as response:
            return json.load(response)["models"]
    except (OSError, ValueError, KeyError, urllib.error.URLError) as error:
        raise DemoError(f"{url} does not answer /api/tags as Ollama does: {error}") from error


def _embeds(model):
    family = (model.get("details") or {}).get("family") or ""
    return "embed" in model["name"] or "bert" in family or "minilm" in model["name"]


def _canonical(name):
    return name if ":" in name.rpartition("/")[2] else name + ":latest"


def real_mix(urls, wanted=None):
    """Chooses among the models that these Ollamas have: most widely installed, then smallest."""
    count, sizes, embeds = {}, {}, {}
    for url in urls:
        for model in _tags(url):
            name = model["name"]
            count[name] = count.get(name, 0) + 1
            sizes[name], embeds[name] = model.get("size", 0), _embeds(model)
    order = sorted(count, key=lambda name: (-count[name], sizes[name], name))
    chats = [name for name in order if not embeds[name]]
    if wanted and _canonical(wanted) not in count:
        found = ", ".join(order) or "nothing"
        raise DemoError(f"none of the Ollamas has {wanted}; they have: {found}")
    if not chats and not wanted:
        raise DemoError("the Ollamas have no model to talk to: try `ollama pull gemma3:1b`")
    chat = _canonical(wanted) if wanted else chats[0]
    other = next((name for name in chats if name != chat), None)
    return Mix(chat, other, next((name for name in order if embeds[name]), None), False)
