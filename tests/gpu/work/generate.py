"""`generate` of transformers, with random weights: the hook records who was in each step.

usage: generate.py TOKENS"""

import sys

import gpu

if __name__ == "__main__":
    n_tokens = int(sys.argv[1])
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    sizes = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 4, "vocab_size": 2048}
    config = LlamaConfig(num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=512, **sizes)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = LlamaForCausalLM(config).eval().to(device)
    prompt = torch.full((2, 16), 7, device=device)
    options = {"max_new_tokens": n_tokens, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    output = model.generate(prompt, attention_mask=torch.ones_like(prompt), **options)
    gpu.write_truth(steps=output.shape[1] - prompt.shape[1], rows=output.shape[0])
