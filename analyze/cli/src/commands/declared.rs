//! `--declared`: a type by name, or a model's configuration that says it.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use underspan_classifier::Dtype;
use underspan_engine::Declared;

/// A model's configuration is a few kilobytes.
const MAX_CONFIG_BYTES: u64 = 16 << 20;

/// Reads what `--declared` was given.
pub(super) fn declared(argument: Option<&str>) -> Result<Option<Declared>> {
    let Some(argument) = argument else { return Ok(None) };
    if let Some(dtype) = known(argument) {
        return Ok(Some(Declared::new(dtype, "--declared")));
    }
    let path = Path::new(argument);
    ensure!(
        path.exists(),
        "--declared {argument}: neither a type (fp32, tf32, bf16, fp16, fp8, int8, fp4, …) nor a file"
    );
    let size =
        std::fs::metadata(path).with_context(|| format!("{argument}: cannot be read"))?.len();
    ensure!(size <= MAX_CONFIG_BYTES, "{argument}: {size} bytes is no model configuration");
    let text = std::fs::read(path).with_context(|| format!("{argument}: cannot be read"))?;
    let config: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{argument}: not a model configuration in JSON"))?;
    match of_config(&config) {
        Some(dtype) => Ok(Some(Declared::new(dtype, argument))),
        None => bail!(
            "{argument}: expected torch_dtype, dtype, declared_dtype or quantization_config, \
             found none that names a type"
        ),
    }
}

fn known(text: &str) -> Option<Dtype> {
    let lower = text.to_ascii_lowercase();
    let dtype = Dtype::parse(text).or_else(|| Dtype::parse(&lower))?;
    (!matches!(dtype, Dtype::Unknown | Dtype::Bool | Dtype::Mixed)).then_some(dtype)
}

/// The type the multiplies are declared to run in. Quantised weights alone (AWQ, GPTQ, bitsandbytes)
/// are multiplied in the model's own type; quantised activations are multiplied as they are.
fn of_config(config: &Value) -> Option<Dtype> {
    let model = config.get("model").filter(|model| model.is_object()).unwrap_or(config);
    let nested = model.get("text_config").filter(|text| text.is_object());
    let sources = || std::iter::once(model).chain(nested);
    sources().find_map(|source| of_quantization(source.get("quantization_config")?)).or_else(|| {
        let keys = ["declared_dtype", "torch_dtype", "dtype"];
        sources().find_map(|source| {
            keys.iter().find_map(|key| source.get(key)?.as_str().and_then(known))
        })
    })
}

fn of_quantization(quantization: &Value) -> Option<Dtype> {
    let method = quantization.get("quant_method")?.as_str()?.to_ascii_lowercase();
    match method.as_str() {
        "fp8" | "fbgemm_fp8" => Some(Dtype::Fp8E4m3),
        "nvfp4" | "modelopt_fp4" => Some(Dtype::Fp4),
        "modelopt" => {
            let algorithm = quantization.get("quant_algo")?.as_str()?.to_ascii_uppercase();
            match algorithm.as_str() {
                "FP8" => Some(Dtype::Fp8E4m3),
                "NVFP4" => Some(Dtype::Fp4),
                _ => None,
            }
        }
        "compressed-tensors" => {
            let groups = quantization.get("config_groups")?.as_object()?;
            groups.values().find_map(|group| {
                let activations = group.get("input_activations").filter(|a| a.is_object())?;
                let bits = activations.get("num_bits")?.as_u64()?;
                match (activations.get("type")?.as_str()?, bits) {
                    ("float", 8) => Some(Dtype::Fp8E4m3),
                    ("float", 4) => Some(Dtype::Fp4),
                    ("int", 8) => Some(Dtype::Int8),
                    ("int", 4) => Some(Dtype::Int4),
                    _ => None,
                }
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn configurations_say_what_multiplies_run_in() {
        let of = |config: Value| of_config(&config);
        assert_eq!(of(json!({"torch_dtype": "bfloat16"})), Some(Dtype::Bf16));
        assert_eq!(of(json!({"text_config": {"dtype": "float16"}})), Some(Dtype::Fp16));
        assert_eq!(of(json!({"model": {"declared_dtype": "bfloat16"}})), Some(Dtype::Bf16));
        let awq = json!({"quant_method": "awq", "bits": 4});
        let weights_only = json!({"torch_dtype": "float16", "quantization_config": awq});
        assert_eq!(of(weights_only), Some(Dtype::Fp16));
        let fp8 =
            json!({"torch_dtype": "bfloat16", "quantization_config": {"quant_method": "fp8"}});
        assert_eq!(of(fp8), Some(Dtype::Fp8E4m3));
        let w8a8 = json!({"quantization_config": {"quant_method": "compressed-tensors",
            "config_groups": {"group_0": {"input_activations": {"num_bits": 8, "type": "int"}}}}});
        assert_eq!(of(w8a8), Some(Dtype::Int8));
        assert_eq!(of(json!({"hidden_size": 4096})), None);
    }

    #[test]
    fn a_type_or_a_file_and_nothing_else() {
        assert_eq!(declared(Some("FP16")).unwrap().unwrap().dtype, Dtype::Fp16);
        assert!(declared(None).unwrap().is_none());
        let error = declared(Some("fp17")).unwrap_err().to_string();
        assert!(error.contains("fp17"), "{error}");
    }
}
