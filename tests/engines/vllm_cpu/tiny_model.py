"""Writes a Llama of two small layers and a tokenizer of made-up words. The weights are never
written: the server makes random ones.

usage: tiny_model.py FOLDER
"""

import json
import os
import sys

WORDS = 2048
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": WORDS,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "torch_dtype": "float32",
}


def write(folder):
    """Writes the model's files."""
    vocabulary = {"<s>": 0, "</s>": 1, "<unk>": 2}
    vocabulary.update(("w{}".format(n), n) for n in range(3, WORDS))
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    }
    facts = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    facts.update(unk_token="<unk>", model_max_length=4096)
    facts["chat_template"] = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
    os.makedirs(folder, exist_ok=True)
    for name, content in (
        ("config.json", CONFIG),
        ("tokenizer.json", tokenizer),
        ("tokenizer_config.json", facts),
    ):
        with open(os.path.join(folder, name), "w") as file:
            json.dump(content, file)


if __name__ == "__main__":
    write(sys.argv[1])
