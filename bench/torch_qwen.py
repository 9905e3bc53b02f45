"""The dense Qwen3 decoder in PyTorch, the rival in benchmarks of the training step."""
import torch
from torch import nn
from torch.nn import functional as F


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


class Layer(nn.Module):
    def __init__(self, dim, heads, kv_heads, width, ffn):
        super().__init__()
        self.n1, self.n2 = nn.RMSNorm(dim, 1e-6), nn.RMSNorm(dim, 1e-6)
        self.q, self.o = nn.Linear(dim, heads * width, bias=False), nn.Linear(heads * width, dim, bias=False)
        self.k, self.v = (nn.Linear(dim, kv_heads * width, bias=False) for _ in range(2))
        self.qn, self.kn = nn.RMSNorm(width, 1e-6), nn.RMSNorm(width, 1e-6)
        self.gate, self.up = nn.Linear(dim, ffn, bias=False), nn.Linear(dim, ffn, bias=False)
        self.down = nn.Linear(ffn, dim, bias=False)
        self.width = width

    def forward(self, x, cos, sin):
        h = self.n1(x)
        q, k, v = (p(h).unflatten(-1, (-1, self.width)) for p in (self.q, self.k, self.v))
        q, k = rotate(self.qn(q).transpose(1, 2), cos, sin), rotate(self.kn(k).transpose(1, 2), cos, sin)
        a = F.scaled_dot_product_attention(q, k, v.transpose(1, 2), is_causal=True, enable_gqa=q.shape[1] != k.shape[1])
        x = x + self.o(a.transpose(1, 2).flatten(2))
        h = self.n2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Decoder(nn.Module):
    """Takes tokens [rows, context], gives the mean cross-entropy of the next ones. Tied embeddings, no biases."""

    def __init__(self, layers, dim, heads, kv_heads, ffn, vocab, context):
        super().__init__()
        width = dim // heads
        self.table = nn.Embedding(vocab, dim)
        nn.init.normal_(self.table.weight, std=0.02)
        self.layers = nn.ModuleList(Layer(dim, heads, kv_heads, width, ffn) for _ in range(layers))
        self.norm = nn.RMSNorm(dim, 1e-6)
        angle = torch.arange(context)[:, None] * 1e6 ** (-torch.arange(0, width, 2) / width)
        angle = torch.cat([angle, angle], -1)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, tokens):
        x = self.table(tokens)
        cos, sin = self.cos.to(x.dtype), self.sin.to(x.dtype)
        for layer in self.layers:
            x = layer(x, cos, sin)
        logits = F.linear(self.norm(x), self.table.weight)
        return F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]).float(), tokens[:, 1:].reshape(-1))


def training_step(model, compiled, autocast=None):
    """A function that trains one step on micro-batches of tokens: forward, backward, clip at 1, fused AdamW.

    `autocast`: the type that products are computed in, none for the weights' own.
    """
    device = next(model.parameters()).device
    forward = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.98), weight_decay=0.1, fused=True)

    def step(micro_batches):
        optimizer.zero_grad(set_to_none=True)
        for tokens in micro_batches:
            with torch.autocast(device.type, autocast, enabled=autocast is not None):
                loss = forward(tokens)
            (loss / len(micro_batches)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return step
