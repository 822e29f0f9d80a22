// Runs one signature of a SavedModel as TensorFlow Serving does: through LoadSavedModel, with no
// Python in the process.
//
//     load_saved_model SAVED_MODEL_DIR SIGNATURE [--library FILE]... [--xla]
//
// --library  Registers the operators in a shared library, such as tensorflow_text's. TensorFlow
//            Serving's own binary has those linked in.
// --xla      Leaves XLA's compiler on, as TensorFlow Serving's --xla_cpu_compilation_enabled does.
//            Without it the compiler is off, as it is there, and a function that must be compiled
//            is an error.
//
// Each line of standard input is an input, each line of standard output an output, its fields
// separated by blanks:
//
//     NAME DTYPE RANK SIZE... VALUE...
//
//     source int32 2 1 3 17 5 9          an int32 matrix (1, 3)
//     text string 1 2 x x6869            two strings, "" and "hi": an x, then each byte in
//                                        hexadecimal
//     position int32 0 4                 a scalar
//
// DTYPE is TensorFlow's own name: float (of 32 bits), int32, int64, bool or string. A float is
// printed with nine significant digits, which tell every two apart; a bool is 0 or 1. Exit status:
// 0, 1 (it failed; standard error ends in "Error: " and why), 2 (usage).

#include <cstdint>
#include <iostream>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tensorflow/c/c_api.h"
#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/compiler/jit/flags.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/framework/types.h"
#include "tensorflow/core/public/session.h"

namespace {

using tensorflow::Tensor;
using Tensors = std::vector<std::pair<std::string, Tensor>>;

struct Options {
  std::string folder;
  std::string signature;
  std::vector<std::string> libraries;
  bool xla = false;
};

// Returns false if `arguments` are not as the comment at the top says.
bool ParseOptions(const std::vector<std::string>& arguments, Options* options) {
  std::vector<std::string> positional;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--xla") {
      options->xla = true;
    } else if (arguments[i] == "--library" && i + 1 < arguments.size()) {
      options->libraries.push_back(arguments[++i]);
    } else if (arguments[i].rfind("--", 0) == 0) {
      return false;
    } else {
      positional.push_back(arguments[i]);
    }
  }
  if (positional.size() != 2) return false;
  options->folder = positional[0];
  options->signature = positional[1];
  return true;
}

// Through the C API, as tf.load_op_library does.
absl::Status LoadLibrary(const std::string& file) {
  TF_Status* c_status = TF_NewStatus();
  TF_Library* library = TF_LoadLibrary(file.c_str(), c_status);
  absl::Status status;
  if (TF_GetCode(c_status) != TF_OK) {
    status = absl::NotFoundError(absl::StrCat(file, ": ", TF_Message(c_status)));
  }
  TF_DeleteStatus(c_status);
  // Gives back the handle only; the operators stay registered.
  if (library != nullptr) TF_DeleteLibraryHandle(library);
  return status;
}

// How a value of each type is read and written.

template <typename T>
bool Parse(const std::string& field, T* value) {
  return absl::SimpleAtoi(field, value);
}
bool Parse(const std::string& field, float* value) { return absl::SimpleAtof(field, value); }
bool Parse(const std::string& field, bool* value) { return absl::SimpleAtob(field, value); }
bool Parse(const std::string& field, tensorflow::tstring* value) {
  std::string bytes;
  if (field.empty() || field[0] != 'x' || !absl::HexStringToBytes(field.substr(1), &bytes)) {
    return false;
  }
  *value = bytes;
  return true;
}

template <typename T>
void Print(const T& value) {
  std::cout << value;
}
void Print(const tensorflow::tstring& value) {
  std::cout << 'x' << absl::BytesToHexString(absl::string_view(value));
}

// Calls `function` with a null pointer of the C++ type of `dtype`.
template <typename Function>
absl::Status WithTypeOf(tensorflow::DataType dtype, Function function) {
  switch (dtype) {
    case tensorflow::DT_FLOAT:
      return function(static_cast<float*>(nullptr));
    case tensorflow::DT_INT32:
      return function(static_cast<int32_t*>(nullptr));
    case tensorflow::DT_INT64:
      return function(static_cast<int64_t*>(nullptr));
    case tensorflow::DT_BOOL:
      return function(static_cast<bool*>(nullptr));
    case tensorflow::DT_STRING:
      return function(static_cast<tensorflow::tstring*>(nullptr));
    default:
      return absl::UnimplementedError(
          absl::StrCat("This program has no text form for ", tensorflow::DataTypeString(dtype)));
  }
}

absl::StatusOr<std::pair<std::string, Tensor>> ParseTensor(const std::string& line) {
  const absl::Status malformed =
      absl::InvalidArgumentError("Expected NAME DTYPE RANK SIZE... VALUE... Received: " + line);
  const std::vector<std::string> fields = absl::StrSplit(line, ' ');
  tensorflow::DataType dtype;
  int64_t rank;
  if (fields.size() < 3 || !tensorflow::DataTypeFromString(fields[1], &dtype) ||
      !Parse(fields[2], &rank) || rank < 0 || fields.size() < 3 + static_cast<size_t>(rank)) {
    return malformed;
  }
  tensorflow::TensorShape shape;
  for (int64_t axis = 0; axis < rank; ++axis) {
    int64_t size;
    if (!Parse(fields[3 + axis], &size) || !shape.AddDimWithStatus(size).ok()) return malformed;
  }
  const size_t first = 3 + rank;
  if (fields.size() - first != static_cast<size_t>(shape.num_elements())) return malformed;

  Tensor tensor(dtype, shape);
  absl::Status status = WithTypeOf(dtype, [&](auto* type) -> absl::Status {
    auto values = tensor.flat<std::remove_pointer_t<decltype(type)>>();
    for (int64_t i = 0; i < values.size(); ++i) {
      if (!Parse(fields[first + i], &values(i))) return malformed;
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return std::make_pair(fields[0], tensor);
}

absl::Status PrintTensor(const std::string& name, const Tensor& tensor) {
  std::cout << name << ' ' << tensorflow::DataTypeString(tensor.dtype()) << ' ' << tensor.dims();
  for (int64_t size : tensor.shape().dim_sizes()) std::cout << ' ' << size;
  absl::Status status = WithTypeOf(tensor.dtype(), [&](auto* type) {
    auto values = tensor.flat<std::remove_pointer_t<decltype(type)>>();
    for (int64_t i = 0; i < values.size(); ++i) {
      std::cout << ' ';
      Print(values(i));
    }
    return absl::OkStatus();
  });
  std::cout << '\n';
  return status;
}

// Returns the outputs by name. A session knows its tensors by other names than the signature.
absl::StatusOr<Tensors> RunSignature(const tensorflow::SavedModelBundle& bundle,
                                     const std::string& name, const Tensors& inputs) {
  const auto signature = bundle.GetSignatures().find(name);
  if (signature == bundle.GetSignatures().end()) {
    return absl::NotFoundError("The SavedModel has no signature " + name);
  }
  Tensors feeds;
  for (const auto& [input_name, tensor] : inputs) {
    const auto input = signature->second.inputs().find(input_name);
    if (input == signature->second.inputs().end()) {
      return absl::NotFoundError(
          absl::StrCat("The signature ", name, " has no input ", input_name));
    }
    feeds.emplace_back(input->second.name(), tensor);
  }
  Tensors outputs;
  std::vector<std::string> fetches;
  for (const auto& [output_name, info] : signature->second.outputs()) {
    outputs.emplace_back(output_name, Tensor());
    fetches.push_back(info.name());
  }
  std::vector<Tensor> values;
  absl::Status status = bundle.GetSession()->Run(feeds, fetches, {}, &values);
  if (!status.ok()) return status;
  for (size_t i = 0; i < values.size(); ++i) outputs[i].second = values[i];
  return outputs;
}

absl::Status Main(const Options& options) {
  if (!options.xla) tensorflow::DisableXlaCompilation();
  for (const std::string& file : options.libraries) {
    absl::Status status = LoadLibrary(file);
    if (!status.ok()) return status;
  }
  tensorflow::SavedModelBundle bundle;
  absl::Status status =
      tensorflow::LoadSavedModel(tensorflow::SessionOptions(), tensorflow::RunOptions(),
                                 options.folder, {"serve"}, &bundle);
  if (!status.ok()) return status;

  Tensors inputs;
  for (std::string line; std::getline(std::cin, line);) {
    auto input = ParseTensor(line);
    if (!input.ok()) return input.status();
    inputs.push_back(*input);
  }
  auto outputs = RunSignature(bundle, options.signature, inputs);
  if (!outputs.ok()) return outputs.status();
  std::cout.precision(std::numeric_limits<float>::max_digits10);
  for (const auto& [name, tensor] : *outputs) {
    status = PrintTensor(name, tensor);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!ParseOptions({argv + 1, argv + argc}, &options)) {
    std::cerr << "Usage: load_saved_model SAVED_MODEL_DIR SIGNATURE [--library FILE]... [--xla]\n";
    return 2;
  }
  const absl::Status status = Main(options);
  if (!status.ok()) {
    std::cerr << "Error: " << status.ToString() << '\n';
    return 1;
  }
  return 0;
}
